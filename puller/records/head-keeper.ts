import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { resourceVersionOf } from '../cluster/version.ts'
import { placeHeads, type WantedHead } from './head-places.ts'
import {
  changeHeads,
  headEntry,
  headIn,
  headsError,
  type KeptHead,
  type KeptHeads,
  readHeads,
  readHeadsVersion,
} from './heads.ts'
import { RECORDS_CONFIG_MAP } from './keys.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'

export type HeadKeeperOptions = {
  /** The puller's own. */
  readonly namespace: string
  /** For the ConfigMap, where somebody removed it. */
  readonly publicPem: string
  readonly clock: Clock
  /** Uids of every Delivery in the cluster, asked for now. Without it no head ever goes. */
  readonly deliveries?: () => Promise<ReadonlySet<string>>
}

/** Another puller writes to the same ConfigMap: of those that write at a time one wins. */
const TRIES_MAX = 40
/** From one write to the next: what comes in meanwhile goes with it. One that comes alone does not wait. */
const APART_MS = 100
/** The same after a write of this many heads: many Deliveries are at work, and nobody is kept from working by waiting. */
const MANY = 3
const MANY_APART_MS = 300
/** What was found so lately to be as remembered need not be asked for again. */
const SURE_MS = 5_000
/** How often Deliveries are listed to find heads that may go. */
const TIDY_EVERY_MS = 600_000

type Waiting = WantedHead & { readonly resolve: () => void; readonly reject: (error: unknown) => void }

/**
 * The heads of all chains in ConfigMap `waybill-records`, as the one writer of them in this process. Those that come in while a write is under way, or
 * right after it, are written together. What is there is remembered; each write says in which version, so that what another
 * puller wrote meanwhile is read first. A head only goes forward.
 */
export class HeadKeeper {
  readonly #cluster: Cluster
  readonly #options: HeadKeeperOptions
  #kept: KeptHeads | undefined
  /** Requests are counted, to tell what was asked before a question from what was asked after it. */
  #sent = 0
  #confirmed = { by: 0, atMs: 0 }
  #tidiedAtMs = Number.NEGATIVE_INFINITY
  #wroteAtMs = Number.NEGATIVE_INFINITY
  #apartMs = APART_MS
  #waiting: Waiting[] = []
  #last: Promise<unknown> = Promise.resolve()

  constructor(cluster: Cluster, options: HeadKeeperOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /**
   * The head of a Delivery's chain. `isRemembered`: as it was some seconds ago at most, by what we read and wrote. With `anew` it is asked for.
   * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED, CLUSTER_UNREACHABLE
   */
  async read(
    uid: string,
    { anew = false }: { readonly anew?: boolean } = {},
  ): Promise<KeptHead & { readonly isRemembered: boolean }> {
    if (!anew && this.#kept !== undefined && this.#nowMs() - this.#confirmed.atMs < SURE_MS)
      return { ...headIn(this.#kept, uid), isRemembered: true }
    const asked = this.#sent
    return this.#inTurn(async () => {
      // Who had his turn meanwhile may have asked for us too.
      const kept = this.#kept !== undefined && this.#confirmed.by > asked ? this.#kept : await this.#ask()
      return { ...headIn(kept, uid), isRemembered: false }
    })
  }

  /**
   * Resolves when the head is stored, or one of a longer chain is there. Where it rejects nobody knows whether it is: write it again.
   * @throws WaybillError RECORDS_FULL, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_FAILED, CLUSTER_UNREACHABLE
   */
  write(delivery: DeliveryRef, head: RecordHead): Promise<void> {
    return new Promise((resolve, reject) => {
      const { uid } = delivery
      this.#waiting.push({ uid, sequence: head.sequence, entry: headEntry(delivery, head), resolve, reject })
      if (this.#waiting.length === 1) void this.#inTurn(() => this.#writeWaiting())
    })
  }

  /** Only one asks at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #writeWaiting(): Promise<void> {
    const earlyMs = this.#wroteAtMs + this.#apartMs - this.#nowMs()
    if (earlyMs > 0) await this.#options.clock.sleep(earlyMs)
    this.#wroteAtMs = this.#nowMs()
    const batch = this.#waiting
    this.#waiting = []
    this.#apartMs = batch.length < MANY ? APART_MS : MANY_APART_MS
    try {
      const roomless = await this.#store(batch)
      for (const { uid, resolve, reject } of batch)
        if (roomless.has(uid)) reject(fullError(this.#options.namespace))
        else resolve()
    } catch (error) {
      this.#kept = undefined
      for (const { reject } of batch) reject(error)
    }
  }

  /** Uids of those that found no room. */
  async #store(batch: readonly WantedHead[]): Promise<ReadonlySet<string>> {
    let gone: ReadonlySet<string> = new Set()
    for (let tries = 1; ; tries++) {
      const kept = this.#kept ?? (await this.#ask())
      let placed = placeHeads(kept, batch, gone)
      if (placed.roomless.size > 0 && this.#isTidyDue()) {
        gone = await this.#findGone(kept)
        placed = placeHeads(kept, batch, gone)
      }
      const { roomless, change, after } = placed
      if (change.heads.size === 0) return roomless
      const sent = this.#send()
      const answer = await changeHeads(this.#cluster, this.#options, kept, change)
      if (answer.status === 200 || answer.status === 201) {
        this.#keep({ version: resourceVersionOf(answer.body), data: after }, sent)
        return roomless
      }
      this.#kept = undefined
      if (![404, 409, 422].includes(answer.status) || tries >= TRIES_MAX)
        throw headsError(this.#options.namespace, answer)
      // Nothing changed: it is the change itself that is not accepted.
      if (answer.status === 422 && (await this.#ask()).version === kept.version)
        throw headsError(this.#options.namespace, answer)
    }
  }

  /** Whose Delivery is not there any more. A uid does not come back, and the list is newer than the entries. */
  async #findGone({ data }: KeptHeads): Promise<ReadonlySet<string>> {
    this.#tidiedAtMs = this.#nowMs()
    try {
      const alive = await this.#options.deliveries?.()
      return new Set(alive === undefined ? [] : [...(data?.keys() ?? [])].filter((uid) => !alive.has(uid)))
    } catch {
      // Those that need no new place are not kept waiting for it.
      return new Set()
    }
  }

  #isTidyDue(): boolean {
    return this.#options.deliveries !== undefined && this.#nowMs() - this.#tidiedAtMs >= TIDY_EVERY_MS
  }

  /** What is there now; read only where it is not what is remembered. */
  async #ask(): Promise<KeptHeads> {
    const { namespace } = this.#options
    const before = this.#kept
    const sent = this.#send()
    if (
      before !== undefined &&
      before.version !== '' &&
      (await readHeadsVersion(this.#cluster, namespace)) === before.version
    )
      return this.#keep(before, sent)
    return this.#keep(await readHeads(this.#cluster, namespace), sent)
  }

  #send(): { readonly by: number; readonly atMs: number } {
    this.#sent += 1
    return { by: this.#sent, atMs: this.#nowMs() }
  }

  #keep(kept: KeptHeads, sent: { readonly by: number; readonly atMs: number }): KeptHeads {
    this.#kept = kept
    this.#confirmed = sent
    return kept
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

function fullError(namespace: string): WaybillError {
  return new WaybillError('RECORDS_FULL', `ConfigMap ${namespace}/${RECORDS_CONFIG_MAP} has no room for another head`)
}
