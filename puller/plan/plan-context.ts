import type { Digest } from '../../contract/digest.ts'
import type { Identity } from '../cluster/cluster-port.ts'
import type { DeliverySpec, RecordFacts } from '../kinds.ts'

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
  /** Fields that are left to others. */
  readonly ignore?: DeliverySpec['ignore']
  /** What a person confirmed on the Delivery, if anything: lifts the guards for exactly the objects that it covers (confirmation.ts). */
  readonly confirmed: Digest | undefined
  /** What was confirmed when what is carried out was begun. */
  readonly begun?: RecordFacts['confirmed']
  readonly environment: string
  /** Of the Delivery; a run that failed is tried again under another one. */
  readonly generation?: number
  /** This environment of the artifact ran here and was healthy, or is the same as what does: what runs once does not run again. */
  readonly ranBefore?: boolean
  /** The Delivery's own expressions for the health of kinds. */
  readonly health?: DeliverySpec['health']
  /** The guard is installed: an object whose glass is broken is left as it is. */
  readonly guard?: boolean
  /** Kinds, as `Job.batch`, that may be deleted and made anew where a field that cannot change has changed. */
  readonly force?: readonly string[]
  /** 32 secret bytes of the puller's own, the same over restarts (puller/plan/claim.ts). */
  readonly claimKey: Uint8Array
}
