import { isJsonObject } from '../../../contract/canonical-json.ts'
import type { Fault } from '../../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../rendered.ts'

const HOOK = 'helm.sh/hook'
const WEIGHT = 'helm.sh/hook-weight'
const DELETE = 'helm.sh/hook-delete-policy'
/** Run by `helm test` alone. Helm 2 had the last two. */
const TESTS = ['test', 'test-success', 'test-failure']
const RELEASES = ['pre-install', 'pre-upgrade', 'post-install', 'post-upgrade']
const ROLLBACKS = ['pre-rollback', 'post-rollback']
const DELETIONS = ['pre-delete', 'post-delete']
const KNOWN = [...TESTS, ...RELEASES, ...ROLLBACKS, ...DELETIONS, 'crd-install']

/** A hook of installs or upgrades, as helm v4.3.1 reads its annotations (pkg/release/v1/util/manifest_sorter.go). */
export type Hook = {
  readonly rendered: RenderedObject
  /** Of installs and upgrades only: `pre-install`. */
  readonly types: readonly string[]
  readonly weight: number
  /** After which end helm deletes it; before the next one is made, it does by default. */
  readonly deletedAfter: readonly ('succeeded' | 'failed')[]
}

/** What of a chart is delivered, and how. */
export type Sorted = {
  readonly objects: readonly RenderedObject[]
  readonly hooks: readonly Hook[]
  readonly warnings: readonly Fault[]
}

/**
 * Tells hooks from ordinary objects. Test hooks are left out; hooks of deletions and of rollbacks alone too, with a warning: nothing of theirs could run here.
 */
export function sortHooks(all: readonly RenderedObject[]): Sorted {
  const objects: RenderedObject[] = []
  const hooks: Hook[] = []
  const warnings: Fault[] = []
  for (const rendered of all) {
    const types = typesOf(rendered)
    if (types === undefined) objects.push(rendered)
    else {
      const released = types.filter((type) => RELEASES.includes(type))
      const never = types.filter(
        (type) => DELETIONS.includes(type) || (released.length === 0 && ROLLBACKS.includes(type)),
      )
      if (never.length > 0) warnings.push(leftOut(rendered, never))
      if (released.length > 0) hooks.push(readHook(rendered, released))
    }
  }
  return { objects, hooks, warnings }
}

/** A hook that helm does not know leaves no trace but this line of its log, and is not in what it renders. */
export function findDroppedHooks(stderr: string): readonly string[] {
  const dropped = [...stderr.matchAll(/skipping unknown hooks?\b.*?(?:hookTypes=|: )"?([^"\n]*)"?/g)]
  return dropped.flatMap(([, types = '']) => {
    const found = typesIn(types)
    return found.every((type) => TESTS.includes(type)) ? [] : [`${hookWords(found)}, which helm leaves out`]
  })
}

/** A fault at the hook's annotation. */
export function hookFault({ rendered }: Hook, message: string): Fault {
  return faultAt(rendered, 'HOOK_UNSUPPORTED', message, ['metadata', 'annotations', HOOK])
}

/** Names the hooks that helm has; anything else may be a value. */
export function hookWords(types: readonly string[]): string {
  const known = types.filter((type) => KNOWN.includes(type))
  return known.length === 0 ? 'a hook of an unknown type' : `a ${known.join(', ')} hook`
}

function readHook(rendered: RenderedObject, types: readonly string[]): Hook {
  const weight = annotation(rendered, WEIGHT) ?? ''
  const policies = typesIn(annotation(rendered, DELETE) ?? '')
  return {
    rendered,
    types,
    // Go's Atoi, and 0 for what it does not take.
    weight: /^[-+]?\d{1,15}$/.test(weight) ? Number(weight) : 0,
    deletedAfter: (['succeeded', 'failed'] as const).filter((end) => policies.includes(`hook-${end}`)),
  }
}

function leftOut(rendered: RenderedObject, types: readonly string[]): Fault {
  const why = types.some((type) => DELETIONS.includes(type))
    ? 'nothing runs when objects are deleted'
    : 'going back is a release like others'
  const message = `${hookWords(types)} does not run here: ${why}`
  return faultAt(rendered, 'HOOK_LEFT_OUT', message, ['metadata', 'annotations', HOOK])
}

function typesOf(rendered: RenderedObject): readonly string[] | undefined {
  const types = annotation(rendered, HOOK)
  return types === undefined ? undefined : typesIn(types)
}

function typesIn(types: string): readonly string[] {
  return types.split(',').map((type) => type.trim().toLowerCase())
}

function annotation({ object: { metadata } }: RenderedObject, name: string): string | undefined {
  const annotations = isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
  const value = annotations[name]
  return typeof value === 'string' ? value : undefined
}
