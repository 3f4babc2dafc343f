import type { Digest } from '../../contract/digest.ts'
import type { Identity } from '../cluster/cluster-port.ts'
import type { DeliverySpec } from '../kinds.ts'

/** A Delivery's service account: everything that touches a user's object is asked as it. */
export type Account = Exclude<Identity, 'puller'>

/** What planning, applying and waiting need to know of the Delivery that they work for. Plain data. */
export type PlanContext = {
  readonly delivery: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly account: Account
  /** The verified artifact that the objects come from. */
  readonly digest: Digest
  readonly adopt: DeliverySpec['adopt']
  readonly prune: DeliverySpec['prune']
  /** The digest that a person confirmed on the Delivery, if any: lifts the prune guards for exactly that digest. */
  readonly confirmed: Digest | undefined
  readonly environment: string
  /** 32 secret bytes of the puller's own, the same over restarts (puller/plan/claim.ts). */
  readonly claimKey: Uint8Array
}
