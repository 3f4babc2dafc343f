import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { type Followed, follow } from '../cluster/watch.ts'
import { Hub } from '../drift/hub.ts'
import { Tracker } from '../drift/tracker.ts'
import { follows, HOOK_EVERY_MS, HOOK_GATHER_MS } from '../http/follows.ts'
import { ANNOTATION } from '../kinds.ts'
import { sayError } from '../message.ts'
import { DELIVERIES_PATH, type PolicySet, parsePolicies, TRUST_POLICIES_PATH } from '../observe.ts'
import { applySetId } from '../plan/desired.ts'
import { dependantsOf, standingOf } from '../reconcile/dependencies.ts'
import { FirstRecords, type Unrecorded } from '../records/first-records.ts'
import { forgetDeparted } from '../remove/departed.ts'
import type { Site } from '../site.ts'
import { createAlarms } from './alarms.ts'
import { type DeliveryKey, type Look, look } from './look.ts'
import { Memory } from './memory.ts'
import { createQueue, type NextRun, type Queue, type Turn } from './queue.ts'

export type LoopOptions = {
  readonly site: Omit<Site, 'policies'>
  readonly parallel: number
  /** Ends when every Delivery is settled: well, refused, or failed `attempts` times. */
  readonly once?: { readonly attempts: number }
  readonly onlyNamespaces?: readonly string[]
  /** `group/Kind` (core: `/Kind`): watched everywhere, as the puller itself. */
  readonly sharedKinds?: ReadonlySet<string>
  readonly signal: AbortSignal
  /** Called when the Deliveries are known and looks begin. */
  readonly onStarted?: (running: RunningLoop) => void
}

export type RunningLoop = {
  /** Looks soon at the Deliveries that follow these repositories (paths without a host); how many there are. */
  lookSooner(repositories: readonly string[]): number
  readonly counts: Queue['counts']
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
  const watched = new Map<string, JsonObject>()
  const memories = new Map<string, Memory>()
  const hub =
    once === undefined
      ? new Hub(site.cluster, {
          clock: site.clock,
          ...(options.sharedKinds === undefined ? {} : { sharedKinds: options.sharedKinds }),
          onFault: (error) => site.log.error({ err: error }, 'an unexpected fault in a watch'),
        })
      : undefined
  let policies: PolicySet = { policies: [], invalid: [] }
  let policyVersions = ''
  /** The same set as long as no policy changed: what was verified by it stays so. */
  const readPolicies = () => {
    const objects = trust.objects()
    const versions = JSON.stringify(objects.map(({ metadata }) => metadata ?? null))
    if (versions === policyVersions) return
    policyVersions = versions
    policies = parsePolicies(objects)
  }
  let full: Site = { ...site, policies: () => policies, deliveries: () => deliveries.objects() }
  const settled = (id: string) => {
    open.delete(id)
    if (once !== undefined && started && open.size === 0) ending.abort()
  }
  let started = false
  /** A Delivery may have gone, lately or while nobody looked. */
  let isDeparted = true

  const run = async (id: string, turn: Turn): Promise<NextRun> => {
    const key = keys.get(id)
    if (key === undefined) return { kind: 'never' }
    const { next, said } = await look(full, key, turn, memoryOf(id, key), watched.get(id)).finally(() => {
      // It may have told of it after it was gone.
      if (!keys.has(id)) site.outside?.gone(id)
    })
    // With `once`, what was said of one that went in this look is the answer.
    if (!keys.has(id) && once === undefined) return { kind: 'never' }
    standings.set(id, { ...key, ...(said === undefined ? {} : { said }) })
    if (once === undefined || (next.kind === 'after' && next.ms === 0)) return next
    if (next.kind === 'backoff' && next.isAnswer !== true && turn.attempt < once.attempts) return { kind: 'backoff' }
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
  const alarms = createAlarms(site.clock, stop, (id) => {
    if (keys.has(id)) queue.soon(id)
  })
  const memoryOf = (id: string, key: DeliveryKey): Memory => {
    const known = memories.get(id)
    if (known !== undefined) return known
    const wake = {
      drifted: () => alarms.set(id, GATHER_MS),
      stirred: () => alarms.set(id, CALM_MS, CALM_EVERY_MS),
    }
    const memory = new Memory(
      hub === undefined
        ? undefined
        : new Tracker(hub, applySetId(key), site.clock, wake, { guard: site.guard === true }),
    )
    memories.set(id, memory)
    return memory
  }
  const forget = (id: string): void => {
    memories.get(id)?.tracker?.drop()
    memories.delete(id)
    watched.delete(id)
    alarms.drop(id)
  }
  const begin = (id: string) => {
    if (once !== undefined) open.add(id)
    queue.soon(id)
  }
  const interrupt = (id: string) => {
    memories.get(id)?.askAnew()
    queue.interrupt(id)
  }
  const asked = (id: string, request: string) => {
    const memory = memories.get(id)
    memory?.askRetry()
    if (request.startsWith(COMPARE)) memory?.askAnew()
    else memory?.askSource()
    queue.interrupt(id)
  }
  const askSource = (id: string) => {
    memories.get(id)?.askSource()
    queue.soon(id)
  }
  const trouble = (what: string) => (error: unknown) => {
    const { code, message } = sayError(error)
    site.log.warn({ code }, `${what}: ${message}`)
  }
  const wakeDependants = ({ namespace, name }: DeliveryKey): void => {
    if (!started) return
    for (const id of dependantsOf(`${namespace}/${name}`, deliveries.objects())) if (keys.has(id)) queue.soon(id)
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
        readPolicies()
        policiesListed.done()
      },
      onTrouble: trouble('TrustPolicies cannot be followed'),
      onRecovered: () => site.log.info('TrustPolicies are followed again'),
    },
    { clock: site.clock, signal: stop },
  )
  const trustChanged = (isNews: boolean): void => {
    if (!started || !isNews) return
    readPolicies()
    for (const id of keys.keys()) interrupt(id)
  }
  const deliveries = follow(
    site.cluster,
    DELIVERIES_PATH,
    {
      onChange: (object, before) => {
        const key = keyOf(object)
        if (before === undefined || standingOf(before) !== standingOf(object)) wakeDependants(key)
        if (options.onlyNamespaces !== undefined && !options.onlyNamespaces.includes(key.namespace)) return
        const id = `${key.namespace}/${key.name}`
        keys.set(id, key)
        watched.set(id, object)
        if (!started) return
        if (before === undefined) {
          memoryOf(id, key).isNew = true
          begin(id)
        } else if (wishOf(before) !== wishOf(object)) interrupt(id)
        else if (requestOf(before) !== requestOf(object)) asked(id, requestOf(object))
      },
      onGone: (object) => {
        const { namespace, name } = keyOf(object)
        const id = `${namespace}/${name}`
        wakeDependants({ namespace, name })
        isDeparted = true
        keys.delete(id)
        forget(id)
        queue.drop(id)
        standings.delete(id)
        site.outside?.gone(id)
        settled(id)
      },
      onListed: deliveriesListed.done,
      onTrouble: trouble('Deliveries cannot be followed'),
      onRecovered: () => site.log.info('Deliveries are followed again'),
    },
    { clock: site.clock, signal: stop },
  )
  await Promise.race([Promise.all([deliveriesListed.promise, policiesListed.promise]), aborted(stop)])
  readPolicies()
  full = { ...full, firstRecords: new FirstRecords(site.cluster, unrecorded(deliveries.objects())) }
  started = true
  for (const id of keys.keys()) begin(id)
  const told = createAlarms(site.clock, stop, (id) => {
    if (keys.has(id)) askSource(id)
  })
  site.observe?.({ kind: 'watches-listed' })
  options.onStarted?.({
    counts: queue.counts,
    lookSooner: (repositories) => {
      const wanted = new Set(repositories)
      const ids = deliveries.objects().flatMap((object) => {
        const { namespace, name } = keyOf(object)
        const id = `${namespace}/${name}`
        return keys.has(id) && follows(object, wanted) ? [id] : []
      })
      for (const id of ids) told.set(id, HOOK_GATHER_MS, HOOK_EVERY_MS)
      return ids.length
    },
  })
  if (once !== undefined && open.size === 0) ending.abort()
  await tidyUntil(full, stop, async () => {
    if (!isDeparted) return
    isDeparted = false
    await forgetDeparted(full, new Set(deliveries.objects().map(uidOf)))
  })
  await endAll(queue, [trust, deliveries])
  await hub?.end()
  return [...standings.values()]
}

/** Drift is put back after this: what happens at one time is one look. */
const GATHER_MS = 50
/** Health is looked at when it has come to rest, and no more often than this. */
const CALM_MS = 2_000
const CALM_EVERY_MS = 10_000

async function endAll(queue: Queue, followed: readonly Followed[]): Promise<void> {
  await queue.end()
  await Promise.all(followed.map(({ ended }) => ended))
}

const TIDY_MS = 600_000

/** Lets go of connections and cached artifacts that nobody needs, now and then, until the signal; does `also` too. */
export async function tidyUntil(
  site: Pick<Site, 'clock' | 'registries' | 'cache' | 'cacheBytesMax'> & { readonly log: Pick<Site['log'], 'warn'> },
  signal: AbortSignal,
  also: () => Promise<void> = async () => undefined,
): Promise<void> {
  while (!signal.aborted) {
    await site.clock.sleep(TIDY_MS, signal)
    if (signal.aborted) return
    try {
      await site.registries.tidy()
      await site.cache.tidy(site.cacheBytesMax)
      await also()
    } catch (error) {
      const { code, message } = sayError(error)
      site.log.warn({ code }, message)
    }
  }
}

/** A request that begins like this has everything read and compared again. */
const COMPARE = 'compare'

/** A new value makes us ask the source at once. */
function requestOf({ metadata }: JsonObject): string {
  const annotations = isJsonObject(metadata) ? metadata.annotations : undefined
  return isJsonObject(annotations) ? String(annotations[ANNOTATION.reconcile] ?? '') : ''
}

/** What of a Delivery makes us read and compare everything at once: its spec and the annotations by which people decide, not what we write ourselves. */
function wishOf(object: JsonObject): string {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  const { uid, generation, deletionTimestamp } = metadata
  return JSON.stringify([
    uid,
    generation,
    deletionTimestamp,
    annotations[ANNOTATION.confirm],
    annotations[ANNOTATION.approve],
  ])
}

/** A hint: whether they were recorded is for their heads to say. */
function unrecorded(deliveries: readonly JsonObject[]): readonly Unrecorded[] {
  return deliveries.flatMap((object) => {
    const isRecorded = isJsonObject(object.status) && object.status.lastRecord !== undefined
    return isRecorded ? [] : [{ namespace: keyOf(object).namespace, uid: uidOf(object) }]
  })
}

function uidOf({ metadata }: JsonObject): string {
  return isJsonObject(metadata) ? String(metadata.uid) : ''
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
