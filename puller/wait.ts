import { WaybillError } from '../contract/errors.ts'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster-port.ts'
import type { DesiredObject } from './desired.ts'
import type { PlanContext } from './plan-context.ts'

/** `Deployment.apps shop/api`, and why in our own words. */
export type HealthNote = { readonly object: string; readonly message: string }

export type Health = {
  /** Nothing failed and nothing is waited for. */
  readonly healthy: boolean
  readonly failed: readonly HealthNote[]
  readonly waiting: readonly HealthNote[]
}

export type WaitOptions = {
  readonly signal?: AbortSignal
  readonly timeoutMs: number
  readonly clock?: Clock
  /** Called when something changed. */
  readonly onProgress?: (health: Health & { readonly ready: number; readonly total: number }) => void
}

/**
 * Waits, by list and watch as the account, until every object is healthy or one has failed, time is up or `signal`
 * aborts; then says how it stands. Kinds without a notion of health are not asked for.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function waitHealthy(
  _context: PlanContext,
  _objects: readonly DesiredObject[],
  _cluster: Cluster,
  _options: WaitOptions,
): Promise<Health> {
  throw new WaybillError('INTERNAL', 'not yet')
}
