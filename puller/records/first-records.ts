import type { Cluster } from '../cluster/cluster-port.ts'
import { listRecordsOf, type NamedRecord } from './record.ts'

/** A Delivery, as far as its records are found by it. */
export type Unrecorded = { readonly namespace: string; readonly uid: string }

/** Few enough that all that a person took the status away from, and that have records after all, fit into memory. */
const TOGETHER = 20

/**
 * The records of Deliveries that probably have none yet: after a start there may be a thousand of them, and each would be listed for. They are
 * listed for together, as they are come to, and each answer is good for once: whoever asks again lists for himself.
 */
export class FirstRecords {
  readonly #cluster: Cluster
  readonly #batches = new Map<string, Promise<ReadonlyMap<string, readonly NamedRecord[]>>>()
  #rest: readonly Unrecorded[]

  constructor(cluster: Cluster, deliveries: readonly Unrecorded[]) {
    this.#cluster = cluster
    this.#rest = deliveries
  }

  /** Undefined: nothing is known of it, or they cannot be listed together. */
  async take({ uid }: Unrecorded): Promise<readonly NamedRecord[] | undefined> {
    const batch = this.#batches.get(uid) ?? this.#begin(uid)
    this.#batches.delete(uid)
    return (await batch?.catch(() => undefined))?.get(uid)
  }

  #begin(uid: string): Promise<ReadonlyMap<string, readonly NamedRecord[]>> | undefined {
    const asked = this.#rest.find((one) => one.uid === uid)
    if (asked === undefined) return undefined
    const batch = [asked, ...this.#rest.filter((one) => one !== asked).slice(0, TOGETHER - 1)]
    this.#rest = this.#rest.filter((one) => !batch.includes(one))
    const listed = listRecordsOf(this.#cluster, batch)
    for (const one of batch) this.#batches.set(one.uid, listed)
    return listed
  }
}
