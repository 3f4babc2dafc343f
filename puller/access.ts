import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'
import type { Account } from './plan-context.ts'

/**
 * Makes sure that the account exists (a deleted one can still be impersonated) and that the puller's requests do arrive
 * as it.
 * @throws WaybillError ACCOUNT_MISSING, ACCOUNT_FORBIDDEN, CLUSTER_FAILED
 */
export async function checkAccount(_cluster: Cluster, _account: Account): Promise<void> {
  throw new WaybillError('INTERNAL', 'not yet')
}
