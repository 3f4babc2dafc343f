import type { KubeObject } from '../../contract/artifact/objects.ts'
import { type OrderFault, orderOf } from '../../contract/ordering/order.ts'
import type { DesiredObject } from './desired.ts'
import type { PlannedChange, PlannedDelete } from './plan.ts'
import type { Refusal } from './refusal.ts'

/** Objects that are written together, in parallel; what they are to wait for is healthy before the next group begins. */
export type PlanGroup = {
  readonly changes: readonly PlannedChange[]
  /** Of all that is in it, changed or not: what has to be healthy before the next group. */
  readonly members: readonly DesiredObject[]
}

/** In the order of applying, by `objectKey`, and why that order cannot be had. */
export type GroupOrder = {
  readonly count: number
  readonly groupOf: ReadonlyMap<string, number>
  readonly refusals: readonly Refusal[]
}

/** The order of what is desired, by stage, wave and dependencies (contract/ordering). Pure. */
export function groupOrder(desired: readonly DesiredObject[], namespace: string): GroupOrder {
  const { groups, faults } = orderOf(
    desired.map(({ object }) => object),
    { defaultNamespace: namespace },
  )
  const groupOf = new Map(groups.flatMap(({ keys }, index) => keys.map((key) => [key, index] as const)))
  return { count: groups.length, groupOf, refusals: faults.map(refusalOf) }
}

function refusalOf({ name, code, message }: OrderFault): Refusal {
  return { object: name, code, message }
}

/** Pure. `done`: what ran once for this release, and is neither made nor waited for again. */
export function planGroups(
  { count, groupOf }: GroupOrder,
  desired: readonly DesiredObject[],
  changes: readonly PlannedChange[],
  done: ReadonlySet<string>,
): readonly PlanGroup[] {
  const groups = Array.from({ length: count }, () => ({
    changes: [] as PlannedChange[],
    members: [] as DesiredObject[],
  }))
  for (const change of changes) groups[groupOf.get(change.desired.key) ?? 0]?.changes.push(change)
  for (const one of desired) if (!done.has(one.key)) groups[groupOf.get(one.key) ?? 0]?.members.push(one)
  return groups
}

/** What is deleted together, in the order of deletion: that of applying the other way round, as the live objects say it. Pure. */
export function deletionGroups(
  deletes: readonly { readonly planned: PlannedDelete; readonly live: KubeObject }[],
): readonly (readonly PlannedDelete[])[] {
  const { groups } = orderOf(deletes.map(({ live }) => live))
  const byKey = new Map(deletes.map(({ planned }) => [planned.key, planned]))
  return groups.map(({ keys }) => keys.flatMap((key) => byKey.get(key) ?? [])).toReversed()
}
