import { isKubeObject, type KubeObject, objectId } from '../../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import type { Fault } from '../../../contract/errors.ts'
import { ORDER_ANNOTATION, WAVE_MAX } from '../../../contract/ordering/annotations.ts'
import { STAGE_COUNT, stageOf } from '../../../contract/ordering/stages.ts'
import type { RenderedObject } from '../rendered.ts'
import { type Hook, hookFault, hookWords } from './hooks.ts'

/** What hooks are for: they only stand there while others run, and do no harm where they stay. */
const ACCESS = new Set([
  ...['/ServiceAccount', 'networking.k8s.io/NetworkPolicy'],
  ...['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'].map((kind) => `rbac.authorization.k8s.io/${kind}`),
])
const CONTENT = new Set(['/ConfigMap', '/Secret'])
/** Kinds up to here are there before any Job runs, whatever their wave is. */
const JOBS = stageOf({ group: 'batch', kind: 'Job' })
const HOOKS_MAX = 500

type Side = 'pre' | 'post'
/** A hook that can be delivered; `side` is undefined where its own wave says when. */
type Placed = { readonly hook: Hook; readonly object: KubeObject; readonly side: Side | undefined }

/**
 * Makes objects that are delivered out of the hooks of a chart: Jobs run once for each release, in waves before or after everything else of the chart, one after another
 * as helm runs them: by weight, then by name. What they need comes along as ordinary objects. A hook with a `waybill.dev/wave` of its own keeps it, and
 * every other annotation that it has. What would mean something else here is a fault.
 */
export function orderHooks(
  hooks: readonly Hook[],
  others: readonly RenderedObject[],
): { readonly objects: readonly RenderedObject[]; readonly faults: readonly Fault[] } {
  const faults: Fault[] = []
  const placed: Placed[] = []
  const malformed: RenderedObject[] = []
  for (const hook of hooks) {
    const { object } = hook.rendered
    if (!isKubeObject(object)) {
      malformed.push(hook.rendered)
      continue
    }
    const found = sideOf(hook, object)
    if ('problem' in found) faults.push(hookFault(hook, found.problem))
    else placed.push({ hook, object, side: found.side })
  }
  const objects = placed.filter(({ side }) => side === undefined).map((one) => delivered(one, {}))
  for (const side of ['pre', 'post'] as const) {
    const [ordered, quiet] = parted(placed.filter((one) => one.side === side))
    if (ordered.length > HOOKS_MAX) faults.push(...ordered.slice(0, 1).map(({ hook }) => hookFault(hook, TOO_MANY)))
    const last = side === 'post' ? others.flatMap(lastOf) : []
    objects.push(...quiet.map((one) => delivered(one, {})), ...inWaves(ordered, side, last))
  }
  return { objects: [...malformed, ...objects], faults }
}

const TOO_MANY = `it is one of more than ${HOOKS_MAX} hooks`

/** Where a hook belongs: before or after the rest; or why it belongs nowhere. */
function sideOf(
  { types }: Hook,
  object: KubeObject,
): { readonly side: Side | undefined } | { readonly problem: string } {
  const { group, kind } = objectId(object)
  const type = `${group}/${kind}`
  const has = (...wanted: readonly string[]) => wanted.some((one) => types.includes(one))
  if (isJsonObject(object.metadata.annotations) && object.metadata.annotations[ORDER_ANNOTATION.wave] !== undefined)
    return { side: undefined }
  const words = hookWords(types)
  const pre = has('pre-install', 'pre-upgrade')
  if (ACCESS.has(type)) return { side: pre ? 'pre' : 'post' }
  if (type !== 'batch/Job' && !CONTENT.has(type))
    return { problem: `${words} of kind ${kind}: only Jobs run, and it would stay and change with each release` }
  const both = has('pre-install', 'post-install') && has('pre-upgrade', 'post-upgrade')
  if (!both)
    return {
      problem: `${words} is for ${has('pre-install', 'post-install') ? 'installs' : 'upgrades'} only, and here it is part of every release`,
    }
  if (type === 'batch/Job' && pre && has('post-install', 'post-upgrade'))
    return { problem: `${words} runs before the rest or after it; here every release has it at one place` }
  return { side: pre ? 'pre' : 'post' }
}

/** Those whose wave says when they come, in helm's order; and those of earlier stages. */
function parted(placed: readonly Placed[]): readonly [readonly Placed[], readonly Placed[]] {
  const comes = ({ object }: Placed) => stageOf(objectId(object)) >= JOBS
  const name = ({ object }: Placed) => Buffer.from(object.metadata.name)
  const ordered = placed.filter(comes).sort((a, b) => a.hook.weight - b.hook.weight || Buffer.compare(name(a), name(b)))
  return [ordered, placed.filter((one) => !comes(one))]
}

/** Each in a wave of its own; after `last`, which no wave can come after, and then after one another. */
function inWaves(ordered: readonly Placed[], side: Side, last: readonly string[]): readonly RenderedObject[] {
  return ordered.map((placed, i) => {
    const wave = side === 'pre' ? i - WAVE_MAX : WAVE_MAX - (ordered.length - 1 - i)
    const before = ordered[i - 1]
    const after = last.length === 0 ? [] : before === undefined ? last : [referenceTo(before.object)]
    return delivered(placed, { [ORDER_ANNOTATION.wave]: String(wave) }, after)
  })
}

/** Webhooks and their like are of a later stage than Jobs. */
function lastOf({ object }: RenderedObject): readonly string[] {
  return isKubeObject(object) && stageOf(objectId(object)) === STAGE_COUNT - 1 ? [referenceTo(object)] : []
}

function referenceTo(object: KubeObject): string {
  const { group, kind, namespace, name } = objectId(object)
  return namespace === '' ? `${group}/${kind}/${name}` : `${group}/namespaces/${namespace}/${kind}/${name}`
}

/** The object with what it needs to be told; what it says itself goes before. */
function delivered(
  { hook, object }: Placed,
  annotations: Readonly<Record<string, string>>,
  after: readonly string[] = [],
): RenderedObject {
  const { group, kind, metadata } = { ...objectId(object), ...object }
  const own: JsonObject = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  const isJob = group === 'batch' && kind === 'Job'
  const cleanup =
    isJob && hook.deletedAfter.length > 0 ? { [ORDER_ANNOTATION.runCleanup]: hook.deletedAfter.join(',') } : {}
  const run = isJob ? { [ORDER_ANNOTATION.run]: 'once-per-release', ...cleanup } : {}
  const said = own[ORDER_ANNOTATION.dependsOn]
  const all = [...(typeof said === 'string' ? [said] : []), ...after].join(',')
  const depends = all === '' ? {} : { [ORDER_ANNOTATION.dependsOn]: all }
  const merged = { ...annotations, ...run, ...own, ...depends }
  return { ...hook.rendered, object: { ...object, metadata: { ...metadata, annotations: merged } } }
}
