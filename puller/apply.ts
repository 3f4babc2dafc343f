import { type ErrorCode, WaybillError } from '../contract/errors.ts'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster-port.ts'
import type { Inventory } from './inventory.ts'
import type { Plan } from './plan.ts'
import type { PlanContext } from './plan-context.ts'

/** What became of one object. */
export type Outcome = {
  readonly object: string
  readonly result: 'created' | 'configured' | 'adopted' | 'unchanged' | 'deleted' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly message?: string
}

export type Applied = {
  /** Objects that were reached, in the order of the plan. Any `refused` or `failed`: later stages and prune were left out. */
  readonly outcomes: readonly Outcome[]
  readonly inventory: Inventory
  /** True where `signal` ended it early; what was done is in the outcomes and the inventory. */
  readonly aborted: boolean
}

/**
 * Does what the plan says and decides nothing: inventory ahead, stages, uids into the inventory, deletes, final inventory.
 * A plan with refusals is never applied.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH, CLUSTER_CONFLICT (the inventory: another puller is at work)
 */
export async function applyPlan(
  _context: PlanContext,
  _plan: Plan,
  _inventory: Inventory,
  _cluster: Cluster,
  _options: { readonly signal?: AbortSignal; readonly clock?: Clock } = {},
): Promise<Applied> {
  throw new WaybillError('INTERNAL', 'not yet')
}
