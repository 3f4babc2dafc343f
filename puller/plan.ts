import { WaybillError } from '../contract/errors.ts'
import type { DesiredObject } from './desired.ts'
import type { Gathered } from './gather.ts'
import type { Inventory } from './inventory.ts'
import type { Change, InventoryEntry } from './kinds.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** One write to one object. */
export type PlannedChange = {
  readonly action: 'create' | 'configure' | 'adopt'
  readonly desired: DesiredObject
  /** Of the live object that is changed: another one of that name is never written to. Absent for a create. */
  readonly uid?: string
  /** Still to be dry-run, before its stage. */
  readonly deferred: boolean
}

export type PlannedDelete = {
  readonly entry: InventoryEntry
  readonly key: string
  readonly name: string
  readonly path: string
  readonly uid: string
  readonly resourceVersion: string
  readonly stage: number
}

/** What would be done. `waybill plan` prints it and stops. */
export type Plan = {
  /** Writes in order; those inside a stage in parallel. */
  readonly stages: readonly (readonly PlannedChange[])[]
  /** In the order of deletion. */
  readonly deletes: readonly PlannedDelete[]
  /** Any of these: nothing may be written. */
  readonly refusals: readonly Refusal[]
  /** Objects whose API does not answer: the others go on, later stages and prune do not. */
  readonly failures: readonly (Refusal & { readonly stage: number })[]
  /** Sorted by object; never a value. */
  readonly changes: readonly Change[]
  readonly unchanged: readonly DesiredObject[]
  /** All desired objects, for waitHealthy. */
  readonly desired: readonly DesiredObject[]
  /** The inventory as it must be before the first write. */
  readonly ahead: readonly InventoryEntry[]
  /** Objects that are being deleted and not gone yet. */
  readonly finalizing: readonly string[]
  /** applyPlan would not write anything, the inventory included. */
  readonly isNoop: boolean
}

/** Decides everything; pure. */
export function planChanges(_context: PlanContext, _gathered: Gathered, _inventory: Inventory): Plan {
  throw new WaybillError('INTERNAL', 'not yet')
}
