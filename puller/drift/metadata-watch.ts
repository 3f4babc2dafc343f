import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type Clock, withJitter } from '../clock.ts'
import type { Cluster, Identity, WatchEvent } from '../cluster/cluster-port.ts'
import { INITIAL_EVENTS, isEndOfList, isNotStreamed } from '../cluster/initial-events.ts'
import { versionOf } from '../cluster/version.ts'
import type { Onlooker } from '../health/onlooker.ts'
import { LABELS } from '../kinds.ts'

/** Why a watch shows nothing: the account may not, the server does not know the kind, or does not answer. */
export type Blindness = 'forbidden' | 'missing' | 'unanswered'

/** What a watch tells. */
export type Teller = {
  /** All that exists is told anew, up to `listed`. */
  beginList(): void
  seen(object: JsonObject): void
  /** Deleted, or its label is gone. */
  gone(object: JsonObject): void
  /** Everything up to this version was told. */
  at(version: number): void
  listed(): void
  blind(why: Blindness): void
}

export type MetadataWatchOptions = {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Is shown whole objects, by the first watch alone. */
  readonly onlooker?: Onlooker
}

export type WatchTarget = { readonly as: Identity; readonly path: string }

const LIST_ACCEPT = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'
const WATCH_ACCEPT = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json'
const PAGE = '500'
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 30_000
const FORBIDDEN_MS = 300_000
/** A server that restarts is not yet one that does not answer. */
const PATIENCE_MS = 30_000
const WATCH_SECONDS = 300

/**
 * Follows the metadata of what carries the ApplySet label, until `signal` aborts. One request: the server streams what exists, says
 * where that ends, and goes on; one that cannot is listed first. After a lost connection it goes on where it was, after 410 Gone
 * it begins anew; after a failure it waits longer and longer, with jitter.
 */
export async function watchMetadata(
  cluster: Cluster,
  target: WatchTarget,
  teller: Teller,
  { clock, signal, onlooker }: MetadataWatchOptions,
): Promise<void> {
  const run = new Run(cluster, target, teller, clock, signal)
  run.onlooker = onlooker
  let failures = 0
  let lostAtMs: number | undefined
  while (!signal.aborted) {
    const begunMs = clock.monotonicMs()
    const end = await run.once()
    if (signal.aborted) return
    if (end === 'ended') {
      failures = 0
      lostAtMs = undefined
      // A server that ends each watch at once is not asked again at once.
      if (clock.monotonicMs() - begunMs < RETRY_MIN_MS) await clock.sleep(withJitter(RETRY_MIN_MS, clock), signal)
      continue
    }
    lostAtMs ??= clock.monotonicMs()
    if (end !== 'unanswered' || clock.monotonicMs() - lostAtMs >= PATIENCE_MS) teller.blind(end)
    failures += 1
    // A server that has just started may not know yet what it allows.
    const mostMs = end === 'forbidden' ? FORBIDDEN_MS : RETRY_MAX_MS
    const pauseMs = Math.min(mostMs, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 10))
    await clock.sleep(withJitter(pauseMs, clock), signal)
  }
}

type End = 'ended' | Blindness

class Run {
  readonly #cluster: Cluster
  readonly #target: WatchTarget
  readonly #teller: Teller
  readonly #clock: Clock
  readonly #signal: AbortSignal
  /** Where to go on; 0: from the beginning. */
  #version = 0
  /** The server does not stream what exists. */
  #lists = false
  onlooker: Onlooker | undefined

  constructor(cluster: Cluster, target: WatchTarget, teller: Teller, clock: Clock, signal: AbortSignal) {
    this.#cluster = cluster
    this.#target = target
    this.#teller = teller
    this.#clock = clock
    this.#signal = signal
  }

  /** One watch, to its end. */
  async once(): Promise<End> {
    try {
      if (this.#version === 0 && this.#lists) {
        const listed = await this.#list()
        if (listed !== 'ended') return listed
      }
      const { onlooker } = this
      this.onlooker = undefined
      return await this.#watch(onlooker).finally(() => onlooker?.over())
    } catch (error) {
      if (error instanceof WaybillError || this.#signal.aborted) return 'unanswered'
      throw error
    }
  }

  async #watch(onlooker: Onlooker | undefined): Promise<End> {
    const anew = this.#version === 0
    const place = anew ? INITIAL_EVENTS : { resourceVersion: String(this.#version) }
    const timeoutSeconds = String(Math.round(WATCH_SECONDS * (0.8 + 0.2 * this.#clock.random())))
    const query = { labelSelector: LABELS.partOf, timeoutSeconds, ...place }
    const { as, path } = this.#target
    if (anew) this.#teller.beginList()
    let listing = anew
    const accept = onlooker === undefined ? { accept: WATCH_ACCEPT } : {}
    for await (const event of this.#cluster.watch(as, { path, query, ...accept, signal: this.#signal })) {
      if (event.type === 'ERROR') return this.#failed(event, anew)
      const isEnd = listing && isEndOfList(event)
      // What exists comes in no order of versions.
      if (!listing || isEnd) this.#moveTo(versionOf(event.object))
      for (const one of [this.#teller, onlooker])
        if (event.type === 'DELETED') one?.gone(event.object)
        else if (event.type !== 'BOOKMARK') one?.seen(event.object)
      if (!isEnd) continue
      this.#teller.listed()
      onlooker?.listed()
      listing = false
    }
    return 'ended'
  }

  #failed({ object }: WatchEvent, anew: boolean): End {
    const { code } = object
    if (anew && isNotStreamed(code)) {
      this.#lists = true
      return 'ended'
    }
    // 410, or whatever else the server has against this place: from the beginning.
    this.#version = 0
    if (code === 403) return 'forbidden'
    if (code === 404) return 'missing'
    return code === 410 ? 'ended' : 'unanswered'
  }

  async #list(): Promise<End> {
    const { as, path } = this.#target
    this.#teller.beginList()
    for (let token = ''; ; ) {
      const query = { labelSelector: LABELS.partOf, limit: PAGE, ...(token === '' ? {} : { continue: token }) }
      const request = { method: 'GET', path, query, accept: LIST_ACCEPT, signal: this.#signal } as const
      const { status, body } = await this.#cluster.request(as, request)
      if (status === 403) return 'forbidden'
      if (status === 404) return 'missing'
      if (status !== 200) return 'unanswered'
      for (const item of Array.isArray(body.items) ? body.items.filter(isJsonObject) : []) this.#teller.seen(item)
      const metadata = isJsonObject(body.metadata) ? body.metadata : {}
      token = typeof metadata.continue === 'string' ? metadata.continue : ''
      if (token !== '') continue
      this.#moveTo(versionOf(body))
      this.#teller.listed()
      return 'ended'
    }
  }

  #moveTo(version: number): void {
    if (version === 0) return
    this.#version = version
    this.#teller.at(version)
  }
}
