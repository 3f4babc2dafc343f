import { type KubeObject, objectName } from '../../contract/artifact/objects.ts'
import { objectUrl } from '../cluster/resources.ts'
import type { Change, InventoryEntry } from '../kinds.ts'
import { claimOf } from './claim.ts'
import { applySetId, type DesiredObject } from './desired.ts'
import { differenceOf } from './diff.ts'
import type { Deferral, Gathered, Looked, LookedEntry } from './gather.ts'
import { deletionGroups, groupOrder, type PlanGroup, planGroups } from './groups.ts'
import { type PruneFacts, pruneAsked, pruneRefusals } from './guards.ts'
import { ignoreTest } from './ignore.ts'
import { type Inventory, isStored } from './inventory.ts'
import { isOurs, managersOf, ownersOf } from './ownership.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'
import { replacementRefusal } from './replacement.ts'
import { cleanedUpAfter, endOf, runBegun } from './runs.ts'
import { storedVersionsRefusal } from './stored-versions.ts'
import { adoptionOf } from './take-over.ts'

/** One write to one object. */
export type PlannedChange = {
  readonly action: 'create' | 'configure' | 'adopt' | 'replace'
  readonly desired: DesiredObject
  /** Of the live object that is changed: another one of that name is never written to. Absent for a create. */
  readonly uid?: string
  /** What others put into its pod template is taken over first, so that the apply takes it away. */
  readonly reclaims?: true
  /** Still to be dry-run before its group, once this is there. */
  readonly deferred?: Deferral
}

export type PlannedDelete = {
  readonly entry: InventoryEntry
  readonly key: string
  readonly name: string
  readonly path: string
  readonly uid: string
  readonly resourceVersion: string
  /** Its annotation asks for a person's confirmation. */
  readonly confirm?: true
  /** A run that is cleaned up: the inventory goes on knowing of it. */
  readonly isCleanup?: true
}

/** What would be done. `waybill plan` prints it and stops. */
export type Plan = {
  /** In the order of writing. */
  readonly groups: readonly PlanGroup[]
  /** In the order of deletion. */
  readonly deletes: readonly PlannedDelete[]
  /** The same in their groups, each to be gone before the next is deleted; with what is being deleted already. */
  readonly deletionGroups: readonly (readonly PlannedDelete[])[]
  /** Any of these: nothing may be written. */
  readonly refusals: readonly Refusal[]
  /** Objects whose API does not answer, and runs that failed: the others go on, later groups and prune do not. */
  readonly failures: readonly (Refusal & { readonly group: number })[]
  /** Sorted by object; never a value. */
  readonly changes: readonly Change[]
  /** Those of the changes that would undo what others did to objects of ours, with declared and found values; where no release asks for them, that is drift. */
  readonly undoing: readonly Change[]
  readonly unchanged: readonly DesiredObject[]
  /** What has to be healthy: all that is desired but what ran for this release already. */
  readonly desired: readonly DesiredObject[]
  /** The inventory as it must be before the first write. */
  readonly ahead: readonly InventoryEntry[]
  /** Objects that are being deleted and not gone yet. */
  readonly finalizing: readonly string[]
  /** applyPlan would not write anything, the inventory included. */
  readonly isNoop: boolean
}

/** What is decided of one desired object. */
type Decision =
  | { readonly kind: 'refused' | 'failed'; readonly refusal: Refusal }
  | { readonly kind: 'unchanged'; readonly entry: InventoryEntry }
  /** It ran, and is not made again. */
  | { readonly kind: 'done'; readonly cleanup?: PlannedDelete }
  | {
      readonly kind: 'change'
      readonly planned: PlannedChange
      readonly change: Change
      readonly entry: InventoryEntry
    }

/** What is decided of one entry that is no longer desired. */
type Leaving =
  | { readonly kind: 'refused' | 'failed'; readonly refusal: Refusal }
  /** Nothing of ours is there any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'forget'; readonly change: Change }
  | { readonly kind: 'finalizing'; readonly name: string; readonly planned: PlannedDelete }
  | { readonly kind: 'delete'; readonly planned: PlannedDelete }

/**
 * Decides everything: each create, change, delete and refusal. Pure. Nothing is taken over that `adopt` does not allow, nothing is
 * deleted but by inventory and uid, and the guards of prune hold unless this digest was confirmed.
 */
export function planChanges(context: PlanContext, gathered: Gathered, inventory: Inventory): Plan {
  const decided = gathered.objects.map((looked) => ({ looked, decision: decide(context, looked, inventory) }))
  const left = gathered.leftovers.map((looked) => ({ looked, leaving: leave(context, looked) }))
  const planned = decided.flatMap(({ decision }) => (decision.kind === 'change' ? [decision] : []))
  const deletes = left.flatMap(({ leaving }) => (leaving.kind === 'delete' ? [leaving.planned] : []))
  const forgotten = left.flatMap(({ leaving }) => (leaving.kind === 'forget' ? [leaving.change] : []))
  const desired = decided.map(({ looked }) => looked.desired)
  const order = groupOrder(desired, context.delivery.namespace)
  const done = new Set(
    decided.flatMap(({ looked, decision }) => (decision.kind === 'done' ? [looked.desired.key] : [])),
  )
  const cleanups = decided.flatMap(({ decision }) => (decision.kind === 'done' ? (decision.cleanup ?? []) : []))
  const guarded = pruneFacts(decided.length, deletes, inventory)
  const refusals = [
    ...duplicates(gathered.objects),
    ...order.refusals,
    ...[...decided.map(({ decision }) => decision), ...left.map(({ leaving }) => leaving)].flatMap((made) =>
      made.kind === 'refused' ? [made.refusal] : [],
    ),
    ...pruneRefusals(context, guarded),
  ]
  const failures = [
    ...decided.flatMap(({ looked, decision }) =>
      decision.kind === 'failed' ? [{ ...decision.refusal, group: order.groupOf.get(looked.desired.key) ?? 0 }] : [],
    ),
    ...left.flatMap(({ leaving }) => (leaving.kind === 'failed' ? [{ ...leaving.refusal, group: order.count }] : [])),
  ]
  const changes = [
    ...planned.map(({ change }) => change),
    ...[...deletes, ...cleanups].map(({ name }): Change => ({ action: 'delete', object: name })),
    ...forgotten,
  ].sort(byObject)
  const ahead = entriesAhead(context, decided, left, inventory)
  return {
    groups: planGroups(
      order,
      desired,
      planned.map(({ planned }) => planned),
      done,
    ),
    ...inOrder(left, cleanups),
    refusals,
    failures,
    changes: changes.map(withoutValues),
    undoing: planned
      .filter(({ planned, change }) => isUndoing(planned, change, inventory))
      .map(({ change }) => change)
      .sort(byObject),
    unchanged: decided.flatMap(({ looked, decision }) => (decision.kind === 'unchanged' ? [looked.desired] : [])),
    desired: desired.filter(({ key }) => !done.has(key)),
    ahead,
    finalizing: left.flatMap(({ leaving }) => (leaving.kind === 'finalizing' ? [leaving.name] : [])),
    isNoop:
      refusals.length === 0 &&
      failures.length === 0 &&
      changes.length === 0 &&
      !decided.some(({ looked, decision }) => isRunOpen(looked, decision)) &&
      isStored(inventory, ahead),
  }
}

/** A run of this release whose end is not in the inventory yet. */
function isRunOpen({ desired, run }: Looked, { kind }: Decision): boolean {
  return desired.runsOnce && kind === 'unchanged' && run !== 'failed'
}

/** Entries that may never have become objects do not make a prune look smaller. */
function pruneFacts(desired: number, deletes: readonly PlannedDelete[], inventory: Inventory): PruneFacts {
  const made = [...inventory.entries.values()].filter(({ state }) => state !== 'pending').length
  const proven = deletes.filter(({ entry }) => entry.state === 'pending').length
  return { desired, entries: made + proven, deletes }
}

/** A change of what we applied, or the creation of what we created already. */
function isUndoing({ action, desired }: PlannedChange, { fields = [] }: Change, inventory: Inventory): boolean {
  if (action === 'create') return inventory.entries.get(desired.key)?.uid !== undefined
  return action === 'configure' && fields.length > 0
}

function withoutValues({ values: _, ...change }: Change): Change {
  return change
}

/** What is cleaned up after its run is in nobody's way: it goes last. */
function inOrder(
  left: readonly { readonly looked: LookedEntry; readonly leaving: Leaving }[],
  cleanups: readonly PlannedDelete[],
): Pick<Plan, 'deletes' | 'deletionGroups'> {
  const going = left.flatMap(({ looked: { live }, leaving }) =>
    live !== undefined && (leaving.kind === 'delete' || leaving.kind === 'finalizing')
      ? [{ planned: leaving.planned, live }]
      : [],
  )
  const finalizing = new Set(left.flatMap(({ leaving }) => (leaving.kind === 'finalizing' ? [leaving.planned] : [])))
  const groups = [...deletionGroups(going), ...(cleanups.length === 0 ? [] : [cleanups])]
  return { deletionGroups: groups, deletes: groups.flat().filter((planned) => !finalizing.has(planned)) }
}

function byObject(a: Change, b: Change): number {
  return a.object < b.object ? -1 : a.object > b.object ? 1 : 0
}

function duplicates(objects: readonly Looked[]): readonly Refusal[] {
  const seen = new Set<string>()
  const twice = objects.filter(({ desired: { key } }) => seen.has(key) || !seen.add(key))
  return [...new Set(twice.map(({ desired }) => desired.name))].map((object) => ({
    object,
    code: 'OBJECT_REFUSED',
    message: 'the artifact holds it twice, once its namespace is filled in',
  }))
}

function decide(context: PlanContext, looked: Looked, inventory: Inventory): Decision {
  const { desired, live, dryRun, refusal, failure } = looked
  const entry = inventory.entries.get(desired.key)
  const { id, name, key } = desired
  if (failure !== undefined) return { kind: 'failed', refusal: failure }
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
  const ours = isOurs(entry, live, claimOf(context.claimKey, context.delivery.uid, key))
  const owned = ours ? undefined : takeoverRefusal(context, looked)
  if (owned !== undefined) return { kind: 'refused', refusal: owned }
  const stored = storedVersionsRefusal(desired, live)
  if (stored !== undefined) return { kind: 'refused', refusal: stored }
  if (refusal !== undefined) return { kind: 'refused', refusal }
  const state = ours && entry?.state !== 'adopted' ? 'created' : 'adopted'
  const kept: InventoryEntry = { ...id, uid, state, ...(ours ? runKept(context, looked, entry) : {}) }
  if (ours && looked.replace === true) {
    const stays = looked.run === 'stale' ? undefined : replacementRefusal(context, desired, live)
    if (stays !== undefined) return { kind: 'refused', refusal: stays }
    const action = 'replace'
    return { kind: 'change', planned: { action, desired, uid }, change: { action, object: name }, entry: kept }
  }
  const ignored = ignoreTest(context.ignore, { id, declared: desired.object })
  const compare = ours ? differenceOf : adoptionOf
  const difference = dryRun === undefined ? { fields: [] } : compare(live, dryRun, ignored)
  if (ours && looked.deferred === undefined && difference.fields.length === 0) return { kind: 'unchanged', entry: kept }
  const action = ours ? 'configure' : 'adopt'
  return {
    kind: 'change',
    planned: { action, desired, uid, ...deferred, ...(looked.reclaims === true && ours ? { reclaims: true } : {}) },
    change: { action, object: name, ...difference, fields: [...difference.fields] },
    entry: kept,
  }
}

/** How a run that is in the inventory goes on, or begins to be known there. */
function runKept(context: PlanContext, { desired, run }: Looked, entry: InventoryEntry | undefined) {
  const isKnown = entry?.run !== undefined && (entry.run.digest === context.digest || context.ranBefore === true)
  return isKnown && run !== 'stale' ? { run: entry.run } : context.ranBefore === true ? {} : runBegun(context, desired)
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
  if (live === undefined || entry === undefined || resource === undefined || !cleanedUpAfter(desired, endOf(live)))
    return {}
  if (!isOurs(entry, live, claimOf(context.claimKey, context.delivery.uid, key))) return {}
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

function leave(context: PlanContext, { entry, key, live, path, refusal, failure }: LookedEntry): Leaving {
  if (failure !== undefined) return { kind: 'failed', refusal: failure }
  if (live === undefined || path === undefined)
    return refusal === undefined ? { kind: 'gone' } : { kind: 'refused', refusal }
  const name = objectName(entry)
  if (!isOurs(entry, live, claimOf(context.claimKey, context.delivery.uid, key)))
    return entry.uid === undefined ? { kind: 'gone' } : { kind: 'forget', change: { action: 'forget', object: name } }
  const asked = pruneAsked(live)
  if (asked === 'never') return { kind: 'forget', change: { action: 'forget', object: name } }
  const planned = { entry, key, name, path, ...exactly(live), ...(asked === 'confirm' && { confirm: true as const }) }
  if (live.metadata.deletionTimestamp !== undefined) return { kind: 'finalizing', name, planned }
  if (refusal !== undefined) return { kind: 'refused', refusal }
  return { kind: 'delete', planned }
}

function entriesAhead(
  context: PlanContext,
  decided: readonly { readonly looked: Looked; readonly decision: Decision }[],
  left: readonly { readonly looked: LookedEntry; readonly leaving: Leaving }[],
  inventory: Inventory,
): readonly InventoryEntry[] {
  const entries = new Map(inventory.entries)
  for (const { looked, decision } of decided)
    if (decision.kind === 'unchanged' || decision.kind === 'change') entries.set(looked.desired.key, decision.entry)
  for (const { looked, leaving } of left)
    if (leaving.kind === 'gone' || leaving.kind === 'forget') entries.delete(looked.key)
  // A pending entry whose object the claim proves gets its uid before it is deleted.
  for (const { looked, leaving } of left)
    if (leaving.kind === 'delete' && context.prune.enabled)
      entries.set(looked.key, {
        ...looked.entry,
        uid: leaving.planned.uid,
        state: looked.entry.state === 'adopted' ? 'adopted' : 'created',
      })
  return [...entries.values()]
}
