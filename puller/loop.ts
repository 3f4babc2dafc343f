import { isJsonObject, type JsonObject } from '../contract/canonical-json.ts'
import { type Followed, follow } from './cluster/watch.ts'
import { ANNOTATION } from './kinds.ts'
import { type DeliveryKey, type Look, look } from './look.ts'
import { sayError } from './message.ts'
import { DELIVERIES_PATH, type PolicySet, parsePolicies, TRUST_POLICIES_PATH } from './observe.ts'
import { createQueue, type NextRun, type Queue, type Turn } from './queue.ts'
import type { Site } from './site.ts'

export type LoopOptions = {
  readonly site: Omit<Site, 'policies'>
  readonly parallel: number
  /** Ends when every Delivery is settled: well, refused, or failed `attempts` times. */
  readonly once?: { readonly attempts: number }
  readonly onlyNamespaces?: readonly string[]
  readonly signal: AbortSignal
}

/** What was last said of a Delivery. */
export type Standing = DeliveryKey & { readonly said?: Look['said'] }

/**
 * Follows Deliveries and TrustPolicies, and looks at each Delivery when its spec or one of the annotations that ask for it
 * changes, when trust changes, and at its interval. Resolves when `signal` aborts and the last look is over.
 */
export async function runLoop(options: LoopOptions): Promise<readonly Standing[]> {
  const { site, once, signal } = options
  const ending = new AbortController()
  const stop = AbortSignal.any([signal, ending.signal])
  const standings = new Map<string, Standing>()
  const open = new Set<string>()
  const keys = new Map<string, DeliveryKey>()
  let policies: PolicySet = { policies: [], invalid: [] }
  const full: Site = { ...site, policies: () => policies }
  const settled = (id: string) => {
    open.delete(id)
    if (once !== undefined && started && open.size === 0) ending.abort()
  }
  let started = false

  const run = async (id: string, turn: Turn): Promise<NextRun> => {
    const key = keys.get(id)
    if (key === undefined) return { kind: 'never' }
    const { next, said } = await look(full, key, turn)
    standings.set(id, { ...key, ...(said === undefined ? {} : { said }) })
    if (once === undefined || (next.kind === 'after' && next.ms === 0)) return next
    if (next.kind === 'backoff' && turn.attempt < once.attempts) return { kind: 'backoff' }
    settled(id)
    return { kind: 'never' }
  }
  const queue = createQueue({
    parallel: options.parallel,
    clock: site.clock,
    run,
    onFault: (id, error) => {
      const { code, message } = sayError(error)
      site.log.error({ delivery: id, code, ...(code === 'INTERNAL' ? { err: error } : {}) }, message)
      // A fault of ours settles nothing twice.
      if (once !== undefined) settled(id)
    },
    ...(once === undefined ? {} : { backoffMinMs: 500, backoffMaxMs: 5_000 }),
  })
  const begin = (id: string) => {
    if (once !== undefined) open.add(id)
    queue.soon(id)
  }
  const trouble = (what: string) => (error: unknown) => {
    const { code, message } = sayError(error)
    site.log.warn({ code }, `${what}: ${message}`)
  }
  const deliveriesListed = signalOnce()
  const policiesListed = signalOnce()
  const trust: Followed = follow(
    site.cluster,
    TRUST_POLICIES_PATH,
    {
      onChange: (_object, before) => trustChanged(before !== undefined || started),
      onGone: () => trustChanged(true),
      onListed: () => {
        policies = parsePolicies(trust.objects())
        policiesListed.done()
      },
      onTrouble: trouble('TrustPolicies cannot be followed'),
    },
    { clock: site.clock, signal: stop },
  )
  const trustChanged = (isNews: boolean): void => {
    if (!started || !isNews) return
    policies = parsePolicies(trust.objects())
    for (const id of keys.keys()) queue.interrupt(id)
  }
  const deliveries = follow(
    site.cluster,
    DELIVERIES_PATH,
    {
      onChange: (object, before) => {
        const key = keyOf(object)
        if (options.onlyNamespaces !== undefined && !options.onlyNamespaces.includes(key.namespace)) return
        const id = `${key.namespace}/${key.name}`
        keys.set(id, key)
        if (!started) return
        if (before === undefined) begin(id)
        else if (wishOf(before) !== wishOf(object)) queue.interrupt(id)
      },
      onGone: (object) => {
        const { namespace, name } = keyOf(object)
        const id = `${namespace}/${name}`
        keys.delete(id)
        queue.drop(id)
        standings.delete(id)
        settled(id)
      },
      onListed: deliveriesListed.done,
      onTrouble: trouble('Deliveries cannot be followed'),
    },
    { clock: site.clock, signal: stop },
  )
  await Promise.race([Promise.all([deliveriesListed.promise, policiesListed.promise]), aborted(stop)])
  policies = parsePolicies(trust.objects())
  started = true
  for (const id of keys.keys()) begin(id)
  if (once !== undefined && open.size === 0) ending.abort()
  await tidyUntil(full, stop)
  await endAll(queue, [trust, deliveries])
  return [...standings.values()]
}

async function endAll(queue: Queue, followed: readonly Followed[]): Promise<void> {
  await queue.end()
  await Promise.all(followed.map(({ ended }) => ended))
}

const TIDY_MS = 600_000

/** Lets go of connections and cached artifacts that nobody needs, now and then, until the signal. */
export async function tidyUntil(
  site: Pick<Site, 'clock' | 'registries' | 'cache' | 'cacheBytesMax'> & { readonly log: Pick<Site['log'], 'warn'> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await site.clock.sleep(TIDY_MS, signal)
    if (signal.aborted) return
    try {
      await site.registries.tidy()
      await site.cache.tidy(site.cacheBytesMax)
    } catch (error) {
      const { code, message } = sayError(error)
      site.log.warn({ code }, message)
    }
  }
}

/** What of a Delivery makes us look at once: its spec and the annotations by which people ask, not what we write ourselves. */
function wishOf(object: JsonObject): string {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  const { uid, generation, deletionTimestamp } = metadata
  return JSON.stringify([
    uid,
    generation,
    deletionTimestamp,
    annotations[ANNOTATION.reconcile],
    annotations[ANNOTATION.confirm],
    annotations[ANNOTATION.approve],
  ])
}

function keyOf(object: JsonObject): DeliveryKey {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  return { namespace: String(metadata.namespace ?? ''), name: String(metadata.name ?? '') }
}

function signalOnce(): { readonly promise: Promise<void>; readonly done: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { promise, done: resolve }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
