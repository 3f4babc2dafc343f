import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'
import type { Delivery } from './kinds.ts'

export type RollbackTarget = { readonly to: Digest } | { readonly steps: number }

/**
 * Puts a Delivery on hold at a digest that its records show was applied. Guarded by the resourceVersion that was read.
 * @throws WaybillError ROLLBACK_TARGET, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND
 */
export async function rollback(
  _cluster: Cluster,
  _delivery: Delivery,
  _target: RollbackTarget,
  _options: { readonly reason?: string },
): Promise<{ readonly digest: Digest; readonly version?: string }> {
  throw new WaybillError('INTERNAL', 'not built yet')
}

/** Lifts a hold. @throws WaybillError HOLD_MISSING, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND */
export async function unhold(_cluster: Cluster, _delivery: Delivery): Promise<{ readonly lifted: Digest }> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
