import { objectKey } from '../../contract/artifact/objects.ts'
import { deleteExactly } from '../apply/delete-object.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { waitGone } from '../health/gone.ts'
import { claimWhenNeeded } from '../plan/claim.ts'
import { AT_ONCE } from '../plan/gather.ts'
import { asksToStay } from '../plan/guards.ts'
import type { Inventory } from '../plan/inventory.ts'
import { type LookedEntry, lookAtLeftover } from '../plan/leftovers.ts'
import { isOurs } from '../plan/ownership.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Refusal } from '../plan/refusal.ts'
import type { Removal } from './plan-removal.ts'

type Context = Pick<PlanContext, 'delivery' | 'account' | 'claimKey'>

/** Everything that the inventory holds, as the account. @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH */
export function lookAtMembers(
  { delivery, account, claimKey }: Context,
  inventory: Inventory,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<readonly LookedEntry[]> {
  return inParallel([...inventory.entries.values()], AT_ONCE, (entry) => {
    const claim = claimWhenNeeded(claimKey, delivery.uid, objectKey(entry))
    return lookAtLeftover(cluster, account, entry, (live) => isOurs(entry, live, claim), signal)
  })
}

export type RemoveOptions = {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** For how long each group may take to be gone before the next is deleted; 0: no group waits for another. */
  readonly groupMs: number
}

/**
 * Deletes group by group. What is still there, and why; nothing of the groups after one that is not gone was touched, unless `groupMs` is 0.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function removeMembers(
  { account }: Context,
  { groups }: Removal,
  cluster: Cluster,
  { clock, signal, groupMs }: RemoveOptions,
): Promise<readonly Refusal[]> {
  const left: Refusal[] = []
  for (const group of groups) {
    if (signal.aborted || (groupMs > 0 && left.length > 0)) break
    const tried = await inParallel(group, AT_ONCE, async (planned) => ({
      planned,
      deleted: await deleteExactly({ cluster, context: { account } }, planned, {
        resourceVersion: planned.resourceVersion,
        stays: (live) => asksToStay(live, planned.confirm === true ? 'confirm' : undefined),
        propagation: 'Background',
      }),
    }))
    const going = tried.filter(({ deleted }) => deleted.kind === 'going').map(({ planned }) => planned)
    for (const { deleted } of tried)
      if (deleted.kind === 'refused') {
        const { object, code = 'CLUSTER_FAILED', message = 'it was not deleted' } = deleted.outcome
        left.push({ object, code, message })
      }
    const notes = await waitGone(account, going, cluster, { clock, signal, timeoutMs: Math.max(groupMs, SETTLE_MS) })
    for (const note of notes) left.push({ ...note, code: 'HEALTH_TIMEOUT' })
  }
  return left
}

/** Most objects go at once. */
const SETTLE_MS = 1_000
