import { isJsonObject } from '../../../contract/canonical-json.ts'
import type { Fault } from '../../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../rendered.ts'

const HOOK = 'helm.sh/hook'
const POLICY = 'helm.sh/resource-policy'
/** Run by `helm test` alone. Helm 2 had the last two. */
const TESTS = ['test', 'test-success', 'test-failure']
const HOOKS = [
  ...['pre-install', 'post-install', 'pre-upgrade', 'post-upgrade'],
  ...['pre-delete', 'post-delete', 'pre-rollback', 'post-rollback', 'crd-install'],
]
/** Kinds that the puller deletes only when a person confirms it (PRUNE_PROTECTED). */
const PROTECTED = ['Namespace', 'CustomResourceDefinition', 'PersistentVolumeClaim']

/** What is delivered of what helm rendered: test hooks are left out, other hooks are faults, and so is `keep` where the puller would not keep. */
export function withoutHooks(objects: readonly RenderedObject[]): {
  readonly objects: readonly RenderedObject[]
  readonly faults: readonly Fault[]
} {
  const kept = objects.filter((rendered) => !isTest(annotation(rendered, HOOK)))
  return { objects: kept, faults: kept.flatMap((rendered) => [...hookFaults(rendered), ...keepFaults(rendered)]) }
}

/** A hook that helm does not know leaves no trace but this line of its log, and is not in what it renders. */
export function findDroppedHooks(stderr: string): readonly string[] {
  const dropped = [...stderr.matchAll(/skipping unknown hooks?\b.*?(?:hookTypes=|: )"?([^"\n]*)"?/g)]
  return dropped.flatMap(([, types = '']) => (isTest(types) ? [] : [`${hookWords(types)}, which helm leaves out`]))
}

function isTest(types: string | undefined): boolean {
  return types !== undefined && typesIn(types).every((type) => TESTS.includes(type))
}

function typesIn(types: string): readonly string[] {
  return types.split(',').map((type) => type.trim().toLowerCase())
}

function hookFaults(rendered: RenderedObject): readonly Fault[] {
  const types = annotation(rendered, HOOK)
  if (types === undefined) return []
  return [faultAt(rendered, 'HOOK_UNSUPPORTED', hookWords(types), ['metadata', 'annotations', HOOK])]
}

/** Names the hooks that helm has; anything else may be a value. */
function hookWords(types: string): string {
  const known = typesIn(types).filter((type) => [...HOOKS, ...TESTS].includes(type))
  return known.length === 0 ? 'a hook of an unknown type' : `a ${known.join(', ')} hook`
}

function keepFaults(rendered: RenderedObject): readonly Fault[] {
  const { kind } = rendered.object
  if (annotation(rendered, POLICY)?.trim().toLowerCase() !== 'keep' || PROTECTED.includes(String(kind))) return []
  const message = `${POLICY}: keep has no effect here: what leaves the package is deleted`
  return [faultAt(rendered, 'KEEP_UNSUPPORTED', message, ['metadata', 'annotations', POLICY])]
}

function annotation({ object: { metadata } }: RenderedObject, name: string): string | undefined {
  const annotations = isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
  const value = annotations[name]
  return typeof value === 'string' ? value : undefined
}
