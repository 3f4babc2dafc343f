import { type KubeObject, objectKey, objectName } from '../../contract/artifact/objects.ts'
import type { Digest } from '../../contract/digest.ts'
import type { Change, Delivery } from '../kinds.ts'
import { claimWhenNeeded } from '../plan/claim.ts'
import { deletionConfirmation } from '../plan/confirmation.ts'
import { deletionGroups } from '../plan/groups.ts'
import { isProtected, pruneAsked } from '../plan/guards.ts'
import type { LookedEntry } from '../plan/leftovers.ts'
import { isOurs, isTakenOver } from '../plan/ownership.ts'
import type { PlannedDelete } from '../plan/plan.ts'
import type { Refusal } from '../plan/refusal.ts'

/** What deleting a Delivery does to what it delivered. */
export type Removal = {
  /** In the order of deletion: that of applying the other way round. Each is to be gone before the next. */
  readonly groups: readonly (readonly PlannedDelete[])[]
  /** Stay on purpose, by name. */
  readonly kept: readonly { readonly object: string; readonly why: string }[]
  /** Cannot be deleted, or not be looked at, as it stands. */
  readonly stuck: readonly Refusal[]
  /** `delete` for each of the groups, `forget` for what is kept; sorted by object. */
  readonly changes: readonly Change[]
}

export type RemovalContext = {
  readonly delivery: Pick<Delivery, 'uid'>
  readonly claimKey: Uint8Array
  /** What runs, and what a person confirmed: where that is to delete this Delivery with what runs, nothing is kept for want of a confirmation. */
  readonly current: Digest | undefined
  readonly confirmed: string | undefined
}

type Fate =
  | { readonly kind: 'gone' }
  | { readonly kind: 'kept'; readonly why: string }
  | { readonly kind: 'delete'; readonly planned: PlannedDelete; readonly live: KubeObject }

/** Deletes by inventory and uid alone, and nothing that has to be confirmed and was not. Pure. */
export function planRemoval(context: RemovalContext, looked: readonly LookedEntry[]): Removal {
  const known = looked.filter(({ refusal, failure }) => refusal === undefined && failure === undefined)
  const decided = known.map((one) => ({ object: objectName(one.entry), fate: fateOf(context, one) }))
  const deletes = decided.flatMap(({ fate }) => (fate.kind === 'delete' ? [fate] : []))
  const kept = decided.flatMap(({ object, fate }) => (fate.kind === 'kept' ? [{ object, why: fate.why }] : []))
  const changes: Change[] = [
    ...deletes.map(({ planned }) => ({ action: 'delete' as const, object: planned.name })),
    ...kept.map(({ object }) => ({ action: 'forget' as const, object })),
  ]
  return {
    groups: deletionGroups(deletes),
    kept,
    stuck: looked.flatMap(({ refusal, failure }) => refusal ?? failure ?? []),
    changes: changes.sort((a, b) => (a.object < b.object ? -1 : 1)),
  }
}

function fateOf({ delivery, claimKey, current, confirmed }: RemovalContext, { entry, live, path }: LookedEntry): Fate {
  const key = objectKey(entry)
  if (live === undefined || path === undefined) return { kind: 'gone' }
  // Another object took its place: it is not ours, and there is nothing of ours to keep.
  const claim = claimWhenNeeded(claimKey, delivery.uid, key)
  if (!isOurs(entry, live, claim)) return { kind: 'gone' }
  if (!isTakenOver(entry, live, claim)) return { kind: 'kept', why: 'it was to be adopted, and never was' }
  const asked = pruneAsked(live)
  if (asked === 'never') return { kind: 'kept', why: 'its annotation waybill.dev/prune says never' }
  const isConfirmed = current !== undefined && confirmed === deletionConfirmation(delivery, current)
  if ((isProtected(entry) || asked === 'confirm') && !isConfirmed)
    return { kind: 'kept', why: 'nobody confirmed that it is to be deleted' }
  const exact = { uid: String(live.metadata.uid), resourceVersion: String(live.metadata.resourceVersion) }
  return {
    kind: 'delete',
    live,
    planned: { entry, key, name: objectName(entry), path, ...exact, ...(asked === 'confirm' && { confirm: true }) },
  }
}
