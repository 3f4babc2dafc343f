import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { JsonObject } from '../contract/canonical-json.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Cluster } from './cluster/cluster-port.ts'
import type { ConnectedCluster } from './cluster/cluster-requests.ts'
import { fairShare } from './cluster/fair-share.ts'
import { letGo } from './cluster/let-go.ts'
import { connectMounted, type ServiceAccountMount } from './cluster/mounted.ts'
import { listAll } from './cluster/watch.ts'
import { firstLook } from './first-look.ts'
import { type Front, openFront } from './http/front.ts'
import type { ListenAddress } from './http/http.ts'
import type { SharedKind } from './install/shared-kinds.ts'
import { checkLeaseTimes, LEASE_TIMES, type LeaseTimes, leaseName } from './leader/lease.ts'
import { leaseStore } from './leader/lease-store.ts'
import { runReplica } from './leader/replica.ts'
import { runLoop, type Standing } from './loop/loop.ts'
import type { SenderOptions } from './notify/http.ts'
import { DELIVERIES_PATH, parseHeader, TRUST_POLICIES_PATH } from './observe.ts'
import { HeadKeeper } from './records/head-keeper.ts'
import { DEFAULT_NAMESPACE, loadPullerKeys } from './records/keys.ts'
import { createOutside } from './say/outside.ts'
import { openCache } from './source/disk.ts'
import { createRegistries } from './source/registries.ts'
import { standBy } from './standby/standby.ts'

export type PullerOptions = {
  /** Default: as kubectl finds it. */
  readonly kubeconfig?: string
  /** Use this mounted service account. */
  readonly serviceAccount?: ServiceAccountMount
  readonly context?: string
  /** The puller's own namespace. Default: waybill-system. */
  readonly namespace?: string
  /** Made when needed; survives restarts. */
  readonly cacheDir: string
  /** Bytes of artifacts that are kept; what was used longest ago goes first. Default: 10 GiB. */
  readonly cacheBytesMax?: number
  /** Speak HTTP to every registry. */
  readonly plainHttp?: boolean
  /** Kinds that are watched everywhere as the puller itself, in the place of a watch for each account and namespace. */
  readonly sharedWatch?: readonly SharedKind[]
  /** Reconcile every Delivery until it is settled, then return. */
  readonly once?: boolean
  /** How long a release may take to become healthy. Default: 5 minutes. */
  readonly waitTimeoutMs?: number
  /** Deliveries reconciled at a time. Default: 8. */
  readonly parallel?: number
  /** Only the Deliveries of these namespaces. Default: all. */
  readonly onlyNamespaces?: readonly string[]
  /** Silence before a registry counts as down. Default: LIMITS.registryIdleMs. */
  readonly registryIdleMs?: number
  readonly proxy?: { readonly http?: string; readonly https?: string; readonly no?: string }
  /** Replicas: one works, the others stand by. Default: it works at once, and other pullers may too. Not with `once`. */
  readonly leaderElection?: LeaderElection
  /** Default: the machine's. */
  readonly clock?: Clock
  /** Where metrics, health and webhooks of registries are served. Default: nowhere. */
  readonly listen?: ListenAddress
  /** A file with the secret that webhooks of registries come with; without one none are taken in. */
  readonly hookSecretFile?: string
  /** For trials: notifications may go to http addresses and to this machine. */
  readonly notifyAnywhere?: boolean
  /** Say with each request made as a service account for which Delivery, as the guard asks for (`install --guard`); leave alone what has its glass broken. */
  readonly guard?: boolean
  /** Told where it listens. */
  readonly onListening?: (address: Front['address']) => void
  /** SIGTERM: finish or abandon the write in flight, then return. */
  readonly signal?: AbortSignal
  readonly log: Logger
}

export type LeaderElection = {
  /** Names this process to people; made unique by what is added to it. Such as the host's name. */
  readonly host: string
  /** Default: as client-go has them, 15 s, 10 s and 2 s. */
  readonly times?: LeaseTimes
}

/** Where each Delivery stands when the puller returns. */
export type PullerSummary = {
  readonly deliveries: readonly {
    readonly namespace: string
    readonly name: string
    readonly ready: boolean
    readonly reason: string
    readonly message: string
  }[]
}

/**
 * Runs the puller until `signal` aborts, or with `once` until every Delivery is settled.
 * @throws WaybillError CLUSTER_CONFIG, CLUSTER_UNREACHABLE, CLUSTER_AUTH, CLUSTER_NOT_INSTALLED, RECORD_KEY
 */
export async function runPuller(options: PullerOptions): Promise<PullerSummary> {
  const { namespace = DEFAULT_NAMESPACE, waitTimeoutMs = WAIT_MS, parallel = PARALLEL, log, once = false } = options
  const { clock = systemClock } = options
  const front = await frontOf(options, clock)
  const observe = front === undefined ? {} : { observe: front.observe }
  const connected = await connect(options, observe)
  const registries = createRegistries(
    {
      ...observe,
      ...(options.plainHttp === undefined ? {} : { plainHttp: options.plainHttp }),
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
      ...(options.registryIdleMs === undefined ? {} : { idleMs: options.registryIdleMs }),
    },
    clock,
  )
  const {
    signal = new AbortController().signal,
    leaderElection,
    onlyNamespaces,
    cacheBytesMax = CACHE_BYTES_MAX,
  } = options
  const cluster = letGo(connected, signal, { clock, graceMs: STOP_GRACE_MS })
  const cache = openCache(options.cacheDir)
  const work = async (asked: Cluster, until: AbortSignal): Promise<PullerSummary> => {
    const shared = fairShare(asked, { clock })
    const keys = await loadPullerKeys(shared, namespace)
    front?.observe({ kind: 'keys-loaded' })
    log.info({ server: cluster.server, namespace, key: keys.keyDigest }, 'the puller is at work')
    const deliveries = async () => uidsOf((await listAll(shared, DELIVERIES_PATH, until)).items)
    const heads = new HeadKeeper(shared, { namespace, publicPem: keys.publicPem, clock, deliveries })
    const mine = { cluster: shared, clock, log, ...observe }
    const outside = createOutside(mine, senderOf(options))
    const standings = await runLoop({
      site: {
        ...mine,
        ...(options.guard === true ? { guard: true } : {}),
        keys,
        heads,
        cache,
        cacheBytesMax,
        registries,
        namespace,
        waitTimeoutMs,
        outside,
      },
      parallel,
      signal: until,
      ...(options.sharedWatch === undefined
        ? {}
        : { sharedKinds: new Set(options.sharedWatch.map(({ group, kind }) => `${group}/${kind}`)) }),
      ...(once ? { once: { attempts: ONCE_ATTEMPTS } } : {}),
      ...(onlyNamespaces === undefined ? {} : { onlyNamespaces }),
      ...(front === undefined ? {} : { onStarted: front.started }),
    }).finally(async () => {
      front?.stopped()
      await outside.end(once ? GRACE_MS : STOP_MS)
    })
    return { deliveries: standings.map(summaryOf) }
  }
  try {
    // Where nothing comes back, as behind a NetworkPolicy, the log has to say of whom.
    log.info({ server: cluster.server, namespace }, 'asking the API server what there is to deliver')
    // Says at once that the kinds are missing or may not be read, where the watches would only try again.
    await firstLook(
      async () => {
        for (const path of [DELIVERIES_PATH, TRUST_POLICIES_PATH]) await listAll(cluster, path, signal)
      },
      { clock, signal, log, patience: !once && (leaderElection ?? options.serviceAccount) !== undefined },
    )
    if (leaderElection === undefined) {
      front?.observe({ kind: 'leadership', leads: true })
      return await work(cluster, signal)
    }
    const { host, times = LEASE_TIMES } = leaderElection
    const ended = await runReplica(
      {
        cluster,
        clock,
        signal,
        log,
        identity: `${host}_${randomUUID()}`,
        times: checkLeaseTimes(times),
        // The Lease has deadlines of its own, and is given back when all else has ended.
        store: leaseStore(connected, namespace, leaseName(onlyNamespaces)),
      },
      {
        lead: (asked, until) => {
          front?.observe({ kind: 'leadership', leads: true })
          return work(asked, until)
        },
        standBy: (asked, until) => {
          front?.observe({ kind: 'leadership', leads: false })
          return standBy(
            { cluster: asked, clock, cache, cacheBytesMax, registries, namespace, log },
            { onlyNamespaces, signal: until },
          )
        },
      },
    )
    return ended ?? { deliveries: [] }
  } finally {
    await registries.close()
    await cluster.close()
    await front?.close()
  }
}

async function frontOf(options: PullerOptions, clock: Clock): Promise<Front | undefined> {
  const { listen, hookSecretFile, log, onListening } = options
  if (listen === undefined) return undefined
  const front = await openFront({ listen, clock, log, ...(hookSecretFile === undefined ? {} : { hookSecretFile }) })
  onListening?.(front.address)
  return front
}

function senderOf({ notifyAnywhere: anywhere = false, proxy }: PullerOptions): SenderOptions {
  return { anywhere, ...(proxy === undefined ? {} : { proxy }) }
}

const WAIT_MS = 300_000
/** With `once`, Events and notifications that wait at the end get so long; else what is on its way. */
const GRACE_MS = 10_000
const STOP_MS = 500
/** How long what is in flight may take once the puller was told to end: a pod has 30 s in all. */
const STOP_GRACE_MS = 10_000
const PARALLEL = 8
const CACHE_BYTES_MAX = 10 * 1024 ** 3
/** How often a Delivery that failed is tried with `once`. */
const ONCE_ATTEMPTS = 3

/** The library that reads kubeconfigs is loaded where there is one. */
async function connect(
  { kubeconfig, context, serviceAccount, guard = false }: PullerOptions,
  { observe }: Pick<Front, 'observe'> | { readonly observe?: undefined },
): Promise<ConnectedCluster> {
  const options = { namesDeliveries: guard, ...(observe === undefined ? {} : { observe }) }
  if (serviceAccount !== undefined) return connectMounted(serviceAccount, options)
  const { connectCluster } = await import('./cluster/cluster.ts')
  return connectCluster({
    ...options,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
  })
}

function uidsOf(objects: readonly JsonObject[]): ReadonlySet<string> {
  return new Set(objects.map((object) => parseHeader(object).uid))
}

function summaryOf({ namespace, name, said }: Standing): PullerSummary['deliveries'][number] {
  return {
    namespace,
    name,
    ready: said?.status === 'True',
    reason: said?.reason ?? '',
    message: said?.message ?? '',
  }
}
