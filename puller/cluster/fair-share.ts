import { type Clock, NOT_NEEDED } from '../clock.ts'
import type { Cluster, Identity } from './cluster-port.ts'

/** Requests to the API server at a time, watches aside: more does not make it faster, and takes its time from others. */
const REQUESTS_MAX = 64
/** What takes this long is waiting for something else than the line (a webhook, an API that hangs): its place is given away. */
const SLOW_MS = 5_000

export type FairShareOptions = { readonly clock: Clock; readonly requestsMax?: number; readonly slowMs?: number }

/**
 * The cluster, with a bound on the requests that are under way. Where more is asked, the puller's own few bookkeeping requests go
 * first, then each account in turn, so that nobody's thousand objects keep others waiting.
 */
export function fairShare(
  cluster: Cluster,
  { clock, requestsMax = REQUESTS_MAX, slowMs = SLOW_MS }: FairShareOptions,
): Cluster {
  const line = new Line()
  let busy = 0
  const give = () => {
    const next = line.next()
    if (next === undefined) busy -= 1
    else next(true)
  }
  const take = async (as: Identity, signal: AbortSignal | undefined): Promise<boolean> => {
    if (busy >= requestsMax) return line.wait(as, signal)
    busy += 1
    return true
  }
  return {
    request: async (as, request) => {
      // Given up while it waited: the cluster says so at once.
      if (!(await take(as, request.signal))) return cluster.request(as, request)
      const over = new AbortController()
      let isGiven = false
      const giveOnce = () => {
        if (!isGiven) give()
        isGiven = true
      }
      void clock.sleep(slowMs, over.signal).then(giveOnce)
      try {
        return await cluster.request(as, request)
      } finally {
        giveOnce()
        over.abort(NOT_NEEDED)
      }
    },
    watch: (as, request) => cluster.watch(as, request),
    resource: (apiVersion, kind, options) => cluster.resource(apiVersion, kind, options),
  }
}

type Waiting = (isPlace: boolean) => void

/** Who waits, by account, in the order in which they came; accounts take turns. */
class Line {
  readonly #own = new Set<Waiting>()
  readonly #accounts = new Map<string, Set<Waiting>>()

  /** True with a place, false where it was given up. */
  wait(as: Identity, signal: AbortSignal | undefined): Promise<boolean> {
    const waiting = as === 'puller' ? this.#own : this.#of(`${as.namespace}/${as.serviceAccount}`)
    return new Promise((resolve) => {
      const giveUp = () => {
        if (waiting.delete(settle)) resolve(false)
      }
      const settle: Waiting = (isPlace) => {
        signal?.removeEventListener('abort', giveUp)
        resolve(isPlace)
      }
      waiting.add(settle)
      if (signal?.aborted === true) giveUp()
      else signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Takes out the next in turn, to be given a place. */
  next(): Waiting | undefined {
    for (const first of this.#own) {
      this.#own.delete(first)
      return first
    }
    for (const [key, waiting] of this.#accounts) {
      this.#accounts.delete(key)
      for (const first of waiting) {
        waiting.delete(first)
        if (waiting.size > 0) this.#accounts.set(key, waiting)
        return first
      }
    }
    return undefined
  }

  #of(key: string): Set<Waiting> {
    const known = this.#accounts.get(key) ?? new Set()
    this.#accounts.set(key, known)
    return known
  }
}
