import { type KubeObject, objectName } from '../../contract/artifact/objects.ts'
import { objectUrl } from '../cluster/resources.ts'
import { brokenChange } from '../drift/break-glass.ts'
import { glassText } from '../drift/print.ts'
import { BREAK_GLASS, type Change, FIELD_MANAGER, type InventoryEntry } from '../kinds.ts'
import { claimWhenNeeded } from './claim.ts'
import { applySetId } from './desired.ts'
import { type Difference, differenceOf } from './diff.ts'
import type { Looked, LookedEntry } from './gather.ts'
import { pruneAsked } from './guards.ts'
import { ignoreTest } from './ignore.ts'
import type { Inventory } from './inventory.ts'
import { appliedEntry } from './managed-fields.ts'
import { isOurs, isTakenOver, managersOf, ownersOf } from './ownership.ts'
import type { PlannedChange, PlannedDelete } from './plan.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'
import { isGuardedReplacement, replacementRefusal } from './replacement.ts'
import { cleanedUpAfter, endOf, runBegun } from './runs.ts'
import { storedVersionsRefusal } from './stored-versions.ts'
import { adoptionOf } from './take-over.ts'

/** What is decided of one desired object. */
export type Decision =
  | { readonly kind: 'refused' | 'failed'; readonly refusal: Refusal }
  | { readonly kind: 'unchanged'; readonly entry: InventoryEntry; readonly broken?: Change }
  /** It ran, and is not made again. */
  | { readonly kind: 'done'; readonly cleanup?: PlannedDelete }
  | {
      readonly kind: 'change'
      readonly planned: PlannedChange
      readonly change: Change
      readonly entry: InventoryEntry
      /** Its glass is broken: how it differs, that included. */
      readonly broken?: Change
    }

/** What is decided of one entry that is no longer desired. */
export type Leaving =
  | { readonly kind: 'refused' | 'failed'; readonly refusal: Refusal }
  /** Nothing of ours is there any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'forget'; readonly change: Change }
  | { readonly kind: 'finalizing'; readonly name: string; readonly planned: PlannedDelete }
  | { readonly kind: 'delete'; readonly planned: PlannedDelete }

/** What becomes of one desired object. Pure. */
export function decide(context: PlanContext, looked: Looked, inventory: Inventory): Decision {
  const { desired, live, dryRun, refusal, failure } = looked
  const entry = inventory.entries.get(desired.key)
  const { id, name, key } = desired
  if (failure !== undefined) return { kind: 'failed', refusal: failure }
  if (glassText(desired.object) !== undefined) return { kind: 'refused', refusal: opened(name) }
  if (looked.run === 'done') return { kind: 'done', ...cleanupOf(context, looked, inventory) }
  if (looked.run === 'failed' && live === undefined) return { kind: 'failed', refusal: failedRun(name) }
  const deferred = looked.deferred === undefined ? {} : { deferred: looked.deferred }
  if (live === undefined) {
    if (refusal !== undefined) return { kind: 'refused', refusal }
    return {
      kind: 'change',
      planned: { action: 'create', desired, ...deferred },
      change: { action: 'create', object: name },
      entry: { ...id, state: 'pending', ...runBegun(context, desired) },
    }
  }
  const uid = String(live.metadata.uid)
  const claim = claimWhenNeeded(context.claimKey, context.delivery.uid, key)
  const ours = isOurs(entry, live, claim)
  // Of what was compared before, nothing but its uid is known here; it was ours then.
  const isToTake = !ours || (dryRun !== undefined && entry !== undefined && !isTakenOver(entry, live, claim))
  const owned = isToTake ? takeoverRefusal(context, looked) : undefined
  if (owned !== undefined) return { kind: 'refused', refusal: owned }
  const stored = storedVersionsRefusal(desired, live)
  if (stored !== undefined) return { kind: 'refused', refusal: stored }
  if (refusal !== undefined) return { kind: 'refused', refusal }
  const state = ours && entry?.state !== 'adopted' ? 'created' : 'adopted'
  const kept: InventoryEntry = { ...id, uid, state, ...(ours ? runKept(context, looked, entry) : {}) }
  if (ours && looked.replace === true) {
    const isStaleRun = looked.run === 'stale'
    const stays = isStaleRun ? undefined : replacementRefusal(desired, live)
    if (stays !== undefined) return { kind: 'refused', refusal: stays }
    const action = 'replace'
    const guard = !isStaleRun && isGuardedReplacement(desired, live) ? { isGuarded: true as const } : {}
    return {
      kind: 'change',
      planned: { action, desired, uid, ...guard },
      change: { action, object: name },
      entry: kept,
    }
  }
  const ignored = ignoreTest(context.ignore, { id, declared: desired.declared ?? desired.object })
  // Written down to be adopted, and the puller stopped before it was: the managers are still to be replaced.
  const isBegun =
    entry?.state === 'adopted' && context.adopt !== 'never' && appliedEntry(live, FIELD_MANAGER) === undefined
  const isKept = ours && !isBegun
  const compare = isKept ? differenceOf : adoptionOf
  const { ownersOnly, ...difference }: Difference =
    dryRun === undefined ? { fields: [] } : compare(live, dryRun, ignored)
  const broken =
    isKept && dryRun !== undefined && looked.breakGlass !== undefined
      ? { broken: brokenChange(name, { live, dryRun, reason: looked.breakGlass }, ignored) }
      : {}
  if (ours && looked.deferred === undefined && difference.fields.length === 0)
    return { kind: 'unchanged', entry: kept, ...broken }
  const action = isKept ? 'configure' : 'adopt'
  return {
    kind: 'change',
    planned: {
      action,
      desired,
      uid,
      ...deferred,
      ...(looked.reclaims === true && ours ? { reclaims: true } : {}),
      ...(ownersOnly === true && { ownersOnly }),
    },
    change: { action, object: name, ...difference, fields: [...difference.fields] },
    entry: kept,
    ...broken,
  }
}

/** How a run that is in the inventory goes on, or begins to be known there. */
function runKept(context: PlanContext, { desired, run }: Looked, entry: InventoryEntry | undefined) {
  const isKnown = entry?.run !== undefined && (entry.run.digest === context.digest || context.ranBefore === true)
  return isKnown && run !== 'stale' ? { run: entry.run } : context.ranBefore === true ? {} : runBegun(context, desired)
}

/** The guard lets everybody through to what carries it: by a release that would be for good. */
function opened(object: string): Refusal {
  return { object, code: 'OBJECT_RESERVED', message: `the artifact sets annotation ${BREAK_GLASS}` }
}

function failedRun(object: string): Refusal {
  return {
    object,
    code: 'HEALTH_FAILED',
    message: 'its run for this release failed, or was removed before its end was seen',
  }
}

/** A run that ended, and whose clean-up a crash kept us from. */
function cleanupOf(context: PlanContext, { desired, live }: Looked, inventory: Inventory): { cleanup?: PlannedDelete } {
  const { key, name, id, resource } = desired
  const entry = inventory.entries.get(key)
  if (live === undefined || entry === undefined || resource === undefined) return {}
  if (live.metadata.deletionTimestamp !== undefined || !cleanedUpAfter(desired, endOf(live))) return {}
  if (!isOurs(entry, live, claimWhenNeeded(context.claimKey, context.delivery.uid, key))) return {}
  return { cleanup: { entry, key, name, path: objectUrl(resource, id), ...exactly(live), isCleanup: true } }
}

function exactly({ metadata }: KubeObject): Pick<PlannedDelete, 'uid' | 'resourceVersion'> {
  return { uid: String(metadata.uid), resourceVersion: String(metadata.resourceVersion) }
}

/** Why an object that is not ours is not taken over; undefined: `adopt` allows it. Two Deliveries never own one object. */
function takeoverRefusal(context: PlanContext, { desired, live, otherDelivery }: Looked): Refusal | undefined {
  const refuse = (message: string): Refusal => ({ object: desired.name, code: 'OBJECT_OWNED', message })
  if (otherDelivery !== undefined) return refuse(`Delivery ${otherDelivery} has it`)
  if (live === undefined || context.adopt === 'always') return undefined
  const owners = ownersOf(live, applySetId(context.delivery))
  if (owners.length > 0) return refuse(`it exists and belongs to ${owners.join(', ')}`)
  if (context.adopt === 'if-unowned') return undefined
  const managers = managersOf(live)
  return refuse(
    `it exists and is not ours${managers.length === 0 ? '' : `: made or changed by ${managers.join(', ')}`}`,
  )
}

/** What becomes of one entry that is no longer desired. Pure. */
export function leave(context: PlanContext, { entry, key, live, path, refusal, failure }: LookedEntry): Leaving {
  if (failure !== undefined) return { kind: 'failed', refusal: failure }
  if (live === undefined || path === undefined)
    return refusal === undefined ? { kind: 'gone' } : { kind: 'refused', refusal }
  const name = objectName(entry)
  const claim = claimWhenNeeded(context.claimKey, context.delivery.uid, key)
  if (!isOurs(entry, live, claim) || !isTakenOver(entry, live, claim))
    return entry.uid === undefined ? { kind: 'gone' } : { kind: 'forget', change: { action: 'forget', object: name } }
  const asked = pruneAsked(live)
  if (asked === 'never') return { kind: 'forget', change: { action: 'forget', object: name } }
  const planned = { entry, key, name, path, ...exactly(live), ...(asked === 'confirm' && { confirm: true as const }) }
  if (live.metadata.deletionTimestamp !== undefined) return { kind: 'finalizing', name, planned }
  if (refusal !== undefined) return { kind: 'refused', refusal }
  return { kind: 'delete', planned }
}
