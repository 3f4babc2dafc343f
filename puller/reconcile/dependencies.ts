import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { shortDigest } from '../../contract/digest.ts'
import type { Delivery } from '../kinds.ts'
import { parseHeader } from '../observe.ts'
import { highestVersion } from '../source/version-range.ts'

/** Everything here is pure: whether the Deliveries that another one depends on are as it needs them, by their own status. */

type Dependency = NonNullable<Delivery['spec']['dependsOn']>[number]

const NAMES_LISTED_MAX = 8

/** What is waited for, for people. `forever`: those that depend on each other in a ring; only an edit ends that. */
export type DependencyWait = { readonly message: string; readonly forever?: true }

/** Undefined: nothing is waited for. `all`: every Delivery of the cluster, as the API server has it. */
export function dependencyWait(
  { namespace, name, spec }: Pick<Delivery, 'namespace' | 'name' | 'spec'>,
  all: readonly JsonObject[],
): DependencyWait | undefined {
  const byId = new Map(all.map((object) => [idOf(object), object]))
  const missing = (spec.dependsOn ?? []).flatMap((dependency) => {
    const id = `${dependency.namespace ?? namespace}/${dependency.name}`
    const fault = faultOf(byId.get(id), dependency)
    return fault === undefined ? [] : [`${id} ${fault}`]
  })
  if (missing.length === 0) return undefined
  const own = `${namespace}/${name}`
  const cycle = cycleOf(own, byId)
  if (cycle === undefined) return { message: `waits for Delivery ${missing.join(', and for ')}` }
  const middle = cycle.length - NAMES_LISTED_MAX
  const listed = middle > 0 ? [...cycle.slice(0, 4), `${middle} more`, ...cycle.slice(-4)] : cycle
  return { message: `it depends on itself, and waits for ever: ${listed.join(' → ')}`, forever: true }
}

/** What is not as it has to be: health of the digest that it asks for, under the generation that it has. */
function faultOf(object: JsonObject | undefined, { version }: Dependency): string | undefined {
  if (object === undefined) return 'which does not exist'
  const { status, generation, deletedAt } = parseHeader(object)
  if (deletedAt !== undefined) return 'which is being deleted'
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  if (status.observedGeneration !== generation || ready?.observedGeneration !== generation)
    return 'which is new or was edited, and was not looked at yet'
  if (ready.status !== 'True') return `which is not ready: ${ready.reason}`
  const wanted = wantedDigest(object) ?? status.resolved?.digest
  const { applied } = status
  if (applied === undefined || wanted !== applied.digest)
    return `which does not run ${wanted === undefined ? 'what it asks for' : shortDigest(wanted)} yet`
  if (version === undefined) return undefined
  if (applied.version === undefined) return `which runs no version, and ${version} is needed`
  return highestVersion([applied.version], version) === undefined
    ? `which runs ${applied.version}, and ${version} is needed`
    : undefined
}

/** What the spec names by itself; a channel or a range leads to what the status says. */
function wantedDigest({ spec }: JsonObject) {
  const { hold, source } = isJsonObject(spec) ? spec : {}
  const named = isJsonObject(hold) ? hold.digest : isJsonObject(source) ? source.digest : undefined
  return typeof named === 'string' ? named : undefined
}

/** A way from a Delivery back to itself, both ends included. */
function cycleOf(own: string, byId: ReadonlyMap<string, JsonObject>): readonly string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [own]
  for (const at of queue)
    for (const to of dependsOn(byId.get(at))) {
      if (cameFrom.has(to)) continue
      cameFrom.set(to, at)
      if (to === own) return wayBack(own, cameFrom)
      queue.push(to)
    }
  return undefined
}

function wayBack(own: string, cameFrom: ReadonlyMap<string, string>): readonly string[] {
  const way = [own]
  for (let at = cameFrom.get(own); at !== undefined && at !== own; at = cameFrom.get(at)) way.push(at)
  return [...way, own].reverse()
}

/** `namespace/name` of what a Delivery depends on, as far as it can be read. */
function dependsOn(object: JsonObject | undefined): readonly string[] {
  const { spec } = object ?? {}
  const listed = isJsonObject(spec) && Array.isArray(spec.dependsOn) ? spec.dependsOn.filter(isJsonObject) : []
  return listed.map(({ namespace, name }) => `${String(namespace ?? namespaceOf(object))}/${String(name)}`)
}

/** `namespace/name` of every Delivery that depends on this one. */
export function dependantsOf(id: string, all: readonly JsonObject[]): readonly string[] {
  return all.filter((object) => dependsOn(object).includes(id)).map(idOf)
}

/** What of a Delivery counts for those that depend on it, to be compared. */
export function standingOf({ metadata, status }: JsonObject): string {
  const { generation, deletionTimestamp } = isJsonObject(metadata) ? metadata : {}
  const { observedGeneration, conditions, applied, resolved } = isJsonObject(status) ? status : {}
  const listed = Array.isArray(conditions) ? conditions.filter(isJsonObject) : []
  const ready = listed.find(({ type }) => type === 'Ready')
  return JSON.stringify([
    generation,
    deletionTimestamp,
    observedGeneration,
    ready?.status,
    ready?.reason,
    ready?.observedGeneration,
    isJsonObject(applied) ? [applied.digest, applied.version] : [],
    isJsonObject(resolved) ? resolved.digest : undefined,
  ])
}

function idOf(object: JsonObject): string {
  const { name } = isJsonObject(object.metadata) ? object.metadata : {}
  return `${namespaceOf(object)}/${String(name ?? '')}`
}

function namespaceOf(object: JsonObject | undefined): string {
  const metadata: Json | undefined = object?.metadata
  return isJsonObject(metadata) ? String(metadata.namespace ?? '') : ''
}
