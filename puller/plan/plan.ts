import type { Change, InventoryEntry } from '../kinds.ts'
import type { Confirmed } from './confirmation.ts'
import { type Decision, decide, type Leaving, leave } from './decide.ts'
import type { DesiredObject } from './desired.ts'
import type { Deferral, Gathered, Looked, LookedEntry } from './gather.ts'
import { deletionGroups, groupOrder, type PlanGroup, planGroups } from './groups.ts'
import { type PruneFacts, pruneRefusals } from './guards.ts'
import { type Inventory, isStored } from './inventory.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

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
  /** It is replaced only because a person confirmed that. */
  readonly isGuarded?: true
  /** Values stay: only who holds them changes. */
  readonly ownersOnly?: true
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
  /** What of it a person has to confirm, whether or not one did. */
  readonly asked?: Confirmed
  /** Objects whose API does not answer, and runs that failed: the others go on, later groups and prune do not. */
  readonly failures: readonly (Refusal & { readonly group: number })[]
  /** Sorted by object; never a value. */
  readonly changes: readonly Change[]
  /** Those of the changes that would undo what others did to objects of ours, with declared and found values; where no release asks for them, that is drift. */
  readonly undoing: readonly Change[]
  /** Those of `undoing` that show: fields with other values, objects that are gone. */
  readonly drifted: readonly Change[]
  /** Of objects whose glass is broken, how they differ, that included; sorted. What of it an apply would undo is in `undoing` too. */
  readonly broken: readonly Change[]
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

/**
 * Decides everything: each create, change, delete and refusal. Pure. Nothing is taken over that `adopt` does not allow, nothing is
 * deleted but by inventory and uid, and the guards of prune hold unless exactly what they guard was confirmed.
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
  const replaced = planned.flatMap(({ planned: { desired, uid = '', isGuarded } }) =>
    isGuarded === true ? [{ name: desired.name, uid }] : [],
  )
  const guarded = pruneRefusals(context, { ...pruneFacts(decided.length, deletes, inventory), replaced })
  const refusals = [
    ...duplicates(gathered.objects),
    ...order.refusals,
    ...[...decided.map(({ decision }) => decision), ...left.map(({ leaving }) => leaving)].flatMap((made) =>
      made.kind === 'refused' ? [made.refusal] : [],
    ),
    ...guarded.refusals,
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
  const undoing = planned
    .filter(({ planned, change }) => isUndoing(planned, change, inventory))
    .sort((a, b) => byObject(a.change, b.change))
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
    ...(guarded.asked === undefined ? {} : { asked: guarded.asked }),
    failures,
    changes: changes.map(withoutValues),
    undoing: undoing.map(({ change }) => change),
    drifted: undoing.filter(({ planned }) => planned.ownersOnly !== true).map(({ change }) => change),
    broken: decided
      .flatMap(({ decision }) => ('broken' in decision && decision.broken !== undefined ? [decision.broken] : []))
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
