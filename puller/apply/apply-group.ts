import { inParallel } from '../cluster/in-parallel.ts'
import { objectUrl } from '../cluster/resources.ts'
import { AT_ONCE } from '../plan/gather.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { replacementStays } from '../plan/replacement.ts'
import { readyToWrite } from './apply-deferred.ts'
import { writeObject } from './apply-object.ts'
import type { Applying, Outcome } from './applying.ts'
import { deleteExactly } from './delete-object.ts'

/** Dry-runs what had to wait, then writes; nothing of the group is written when one of those is refused. */
export async function applyGroup(
  applying: Applying,
  planned: readonly PlannedChange[],
  contested: ReadonlySet<string>,
): Promise<readonly Outcome[]> {
  const { ready, outcomes } = await readyToWrite(applying, planned)
  if (outcomes.some(({ result }) => result === 'refused')) return outcomes
  const { cleared, kept } = await clearTheWay(applying, ready)
  const written = await inParallel(cleared, AT_ONCE, async (change): Promise<Outcome[]> => {
    const { name, key } = change.desired
    if (contested.has(key))
      return [{ object: name, result: 'refused', code: 'OBJECT_OWNED', message: 'another Delivery took it meanwhile' }]
    return applying.signal?.aborted === true ? [] : [await write(applying, change)]
  })
  return [...outcomes, ...kept, ...written.flat()]
}

async function write(applying: Applying, change: PlannedChange): Promise<Outcome> {
  if (change.action !== 'replace') return writeObject(applying, change)
  const { uid: _, ...rest } = change
  const outcome = await writeObject(applying, { ...rest, action: 'create' })
  return outcome.result === 'created' ? { ...outcome, result: 'replaced' } : outcome
}

/**
 * Deletes what is replaced, with all that depends on it, and waits until it is gone; only then is the create written ahead, so that a crash
 * leaves either the old object in the inventory or the new one.
 */
async function clearTheWay(
  applying: Applying,
  planned: readonly PlannedChange[],
): Promise<{ readonly cleared: readonly PlannedChange[]; readonly kept: readonly Outcome[] }> {
  const replaced = planned.filter(({ action }) => action === 'replace')
  if (replaced.length === 0 || applying.signal?.aborted === true) return { cleared: planned, kept: [] }
  const kept: Outcome[] = []
  const going = await inParallel(replaced, AT_ONCE, async (change) => {
    const { desired, uid = '' } = change
    const { name, resource, id } = desired
    if (resource === undefined) return []
    const target = { name, path: objectUrl(resource, id), uid }
    const result = await deleteExactly(applying, target, {
      // A run of another release gives way in any case.
      ...(desired.runsOnce ? {} : { stays: (live) => replacementStays(change, live) }),
      propagation: 'Foreground',
    })
    if (result.kind === 'refused') kept.push(result.outcome)
    return result.kind === 'going' ? [target] : []
  })
  for (const { object, message } of await applying.waiter.gone(going.flat()))
    kept.push({ object, result: 'failed', code: 'HEALTH_TIMEOUT', message: `it is to be replaced: ${message}` })
  const stays = new Set(kept.map(({ object }) => object))
  for (const { desired } of replaced)
    if (!stays.has(desired.name)) {
      const { run } = applying.book.get(desired.key) ?? {}
      applying.book.set(desired.key, { ...desired.id, state: 'pending', ...(run === undefined ? {} : { run }) })
    }
  await applying.store()
  return { cleared: planned.filter(({ desired }) => !stays.has(desired.name)), kept }
}
