import { inParallel } from '../cluster/in-parallel.ts'
import { AT_ONCE } from '../plan/gather.ts'
import { asksToStay } from '../plan/guards.ts'
import type { PlannedDelete } from '../plan/plan.ts'
import type { Applying, Outcome } from './applying.ts'
import { deleteExactly } from './delete-object.ts'

/**
 * Deletes, as the account, group by group in the plan's order: what is in one is gone before the next begins, and a failure in one leaves
 * out the next. Entries leave the book when their object is gone; while it is being finalized they stay.
 */
export async function pruneAll(
  applying: Applying,
  groups: readonly (readonly PlannedDelete[])[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [index, group] of groups.entries()) {
    const going: PlannedDelete[] = []
    const done = await inParallel(group, AT_ONCE, async (planned) =>
      applying.signal?.aborted === true ? [] : [await deleteOne(applying, planned, going)],
    )
    outcomes.push(...done.flat())
    if (outcomes.some(({ result }) => result !== 'deleted')) break
    if (index === groups.length - 1 || going.length === 0) continue
    const left = await applying.waiter.gone(going)
    const stays = new Set(left.map(({ object }) => object))
    for (const { key, name, isCleanup } of going) if (!stays.has(name) && isCleanup !== true) applying.book.delete(key)
    if (applying.signal?.aborted === true) break
    for (const { object, message } of left) outcomes.push({ object, result: 'failed', code: 'HEALTH_TIMEOUT', message })
    if (left.length > 0) break
  }
  return outcomes
}

async function deleteOne(applying: Applying, planned: PlannedDelete, going: PlannedDelete[]): Promise<Outcome> {
  const { name, key, resourceVersion, isCleanup, confirm } = planned
  const deleted = await deleteExactly(applying, planned, {
    resourceVersion,
    ...(isCleanup === true ? {} : { stays: (live) => asksToStay(live, confirm === true ? 'confirm' : undefined) }),
    propagation: 'Background',
  })
  if (deleted.kind === 'refused') return deleted.outcome
  if (deleted.kind === 'going') going.push(planned)
  else if (isCleanup !== true) applying.book.delete(key)
  return { object: name, result: 'deleted' }
}
