import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster-port.ts'
import type { PullerKeys } from './keys.ts'
import type { RecordFacts, RecordSpec } from './kinds.ts'

/** Where a chain of records ends. `hash` is sha256 of the canonical JSON of the whole spec. */
export type RecordHead = { readonly name: string; readonly sequence: number; readonly hash: Digest }

export type DeliveryRef = { readonly namespace: string; readonly name: string; readonly uid: string }

/** What the records say. Only records that our key signed for this Delivery are believed. */
export type LedgerSummary = {
  readonly head?: RecordHead
  /** An Intent whose outcome is not recorded: the puller stopped in the middle of it. */
  readonly openIntent?: RecordSpec
  /** The newest record that is neither an Intent nor a Checkpoint. */
  readonly lastOutcome?: RecordSpec
  /** The newest Applied, Unchanged or RolledBack. */
  readonly applied?: RecordSpec
  /** What was last written: the digest of the newest Intent, Applied, Unchanged or RolledBack. */
  readonly current?: Digest
  /** Digests that were written here, or were about to be. */
  readonly ran: ReadonlySet<Digest>
  /** By channel, the highest promotion that was recorded, and the digest that had it first. */
  readonly promotions: ReadonlyMap<string, { readonly sequence: number; readonly digest: Digest }>
  /** By version, the digest that it was first seen at. */
  readonly versions: ReadonlyMap<string, Digest>
  /** Why the chain is not whole, in a sentence; absent when it is. */
  readonly broken?: string
  /** In order of sequence. */
  readonly records: readonly RecordSpec[]
}

/** One Delivery's records. */
export interface Ledger {
  readonly summary: LedgerSummary
  /**
   * Chains, signs and writes one record, and moves the head in the ConfigMap. A Refused or Failed that says the same as the
   * newest record writes nothing. After it `summary` is that of the longer chain.
   * @throws WaybillError CLUSTER_CONFLICT when another puller wrote meanwhile: open the ledger again
   */
  append(facts: RecordFacts): Promise<RecordHead>
}

export type LedgerOptions = { readonly pullerNamespace: string; readonly clock: Clock }

/** Reads a Delivery's records and its head, and moves a head up that a crash left one behind. */
export async function openLedger(
  _cluster: Cluster,
  _keys: PullerKeys,
  _delivery: DeliveryRef,
  _options: LedgerOptions,
): Promise<Ledger> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
