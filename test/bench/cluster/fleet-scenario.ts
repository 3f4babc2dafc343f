import { setTimeout as sleep } from 'node:timers/promises'
import { inParallel } from '../../../puller/cluster/in-parallel.ts'
import { LABELS } from '../../../puller/kinds.ts'
import { field } from '../../real/control-plane.ts'
import type { Asked } from './audit-trail.ts'
import { fourObjects } from './delivered-objects.ts'
import { readyCount, record, untilQuiet } from './delivering.ts'
import type { Found } from './found.ts'
import { profileOf } from './profile.ts'
import type { Recorded } from './recorder.ts'
import { openReplayer, type Score, scoreOf } from './replay.ts'
import { openStand, PULLER_USER, type Stand } from './stand.ts'

const TAPE = 'tape-0000'
const DELIVERIES = '/apis/waybill.dev/v1alpha1/namespaces'
/** Deliveries that a puller reconciles at a time, unless it is told otherwise. */
const AT_ONCE = 8
/** Objects of one of them. */
const OBJECTS = 4

export type FleetOptions = {
  readonly count: number
  /** Kinds that are watched everywhere by one watch, as the puller: a way to run it that nothing is promised of. */
  readonly shared?: readonly string[]
}

/** Many small Deliveries, each in a namespace and with an account of its own, all at once; then the same requests sent raw. */
export async function fleet({ count, shared }: FleetOptions): Promise<Found> {
  // Half before and half after: the machine may be busier at one time than at another.
  const half = Math.floor(count / 2)
  const before = await onAStand(async (stand) => raw(stand, names('rawx', half), await scoreOfOne(stand)))
  return onAStand((stand) => fleetAfter(stand, { count, before, ...(shared && { shared }) }))
}

async function onAStand<T>(work: (stand: Stand) => Promise<T>): Promise<T> {
  const stand = await openStand()
  try {
    return await work(stand)
  } finally {
    await stand.stop()
  }
}

function names(word: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${word}-${String(at).padStart(4, '0')}`)
}

type Beginning = FleetOptions & { readonly before: number }

async function fleetAfter(stand: Stand, { count, shared, before }: Beginning): Promise<Found> {
  if (shared !== undefined) await stand.share(shared)
  const played = await scoreOfOne(stand)
  const ours = names('ours', count)
  await stand.addTenants(ours)
  for (const tenant of ours) stand.publish(tenant, fourObjects())
  await stand.deliver(ours)
  await sleep(3_000)
  const mark = await untilQuiet(stand)
  const puller = stand.startPuller(shared && { shared })
  for (const deadline = Date.now() + 120_000 + count * 600; Date.now() < deadline; await sleep(1_000))
    if (outcomes(await stand.trail.since(mark)) >= count) break
  await untilQuiet(stand)
  const own = (await stand.trail.since(mark)).filter(
    ({ user, resource }) => user === PULLER_USER && resource !== 'leases',
  )
  const done = await readyCount(stand)
  // What is told afterwards, such as Events, holds no Delivery up.
  const ended = own
    .filter(({ verb, resource }) => verb !== 'watch' && resource !== 'events')
    .map(({ endedMs }) => endedMs)
  const ms = Math.max(...ended) - Math.min(...own.map(({ startedMs }) => startedMs))
  const { peakMb } = puller.memory()
  const cpu = puller.cpuSeconds()
  await puller.stop()
  const after = await raw(stand, names('rawx', count - Math.floor(count / 2)), played)
  const rawMs = before + after
  const how = shared === undefined ? '' : `, ${shared.join(', ')} watched for all`
  const what = `${count} Deliveries of ${OBJECTS} objects, all at once${how}`
  const atMost = (most: number) => (shared === undefined ? { atMost: most } : {})
  const short = done < count ? `, ${done} READY` : ''
  return {
    figures: [
      {
        what: `${what}${short}: against the same dry runs, writes, bookkeeping and first lists sent raw (${seconds(ms)} to ${seconds(before)} for half of them before and ${seconds(after)} after)`,
        count: done < count ? Number.POSITIVE_INFINITY : ms / rawMs,
        unit: '×',
        ...atMost(1.5),
      },
      { what: `${what}: requests a Delivery, watches included`, count: own.length / count, unit: '', ...atMost(20) },
      { what: `${what}: memory at its highest`, count: peakMb, unit: 'MB' },
      { what: `${what}: the puller's own processor time, its start included`, count: cpu, unit: 's' },
    ],
    profile: `${what}\n${profileOf(own, count)}\nsent raw: ${played.score.flat().length} requests each`,
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Deliveries that have two records: what was meant, and what came of it. Listing them all would keep the API server busy. */
function outcomes(asked: readonly Asked[]): number {
  const counts = new Map<string, number>()
  for (const { verb, resource, namespace = '', status } of asked)
    if (verb === 'create' && resource === 'deliveryrecords' && status === 201)
      counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
  return [...counts.values()].filter((records) => records >= 2).length
}

/** What has to be sent for one Delivery, whoever sends it. */
type Played = { readonly score: Score; readonly uid: string }

async function scoreOfOne(stand: Stand): Promise<Played> {
  await stand.addTenants([TAPE])
  stand.publish(TAPE, fourObjects())
  const [uid = ''] = await stand.deliver([TAPE])
  const recorded = await record(stand, TAPE)
  await stand.plane.api('DELETE', `${DELIVERIES}/${TAPE}/deliveries/app`)
  const needed = recorded.filter(({ method, path, body, status }) => {
    const isAbout = path.includes(TAPE) || body.includes(TAPE)
    return isAbout && status < 300 && method !== 'GET' && !/\/self[a-z]+reviews/.test(path)
  })
  return { score: [...scoreOf(needed), firstLists(needed)], uid }
}

/** What exists of each kind before it is followed: a puller has it told by the watch itself, which the tape, made with `--once`, does without. */
function firstLists(written: readonly Recorded[]): readonly Recorded[] {
  const objects = written.filter(({ as, method }) => as !== undefined && method === 'PATCH')
  const byCollection = new Map(objects.map((one) => [one.path.replace(/\/[^/]+$/, ''), one]))
  return [...byCollection].map(([collection, one]) => ({
    ...one,
    method: 'GET',
    path: `${collection}?labelSelector=${encodeURIComponent(LABELS.partOf)}`,
    contentType: undefined,
    body: '',
    status: 200,
  }))
}

async function raw(stand: Stand, tenants: readonly string[], { score, uid }: Played): Promise<number> {
  await forgetRecords(stand)
  await stand.addTenants(tenants)
  const uids = await stand.deliver(tenants)
  await sleep(3_000)
  const replayer = openReplayer(stand.plane, stand.token)
  const started = performance.now()
  await inParallel(tenants, AT_ONCE, (tenant, at) => {
    const own = uids[at] ?? ''
    return replayer.play(score, OBJECTS, (text) =>
      text.replaceAll(TAPE, tenant).replaceAll(uid, own).replaceAll(uid.slice(0, 8), own.slice(0, 8)),
    )
  })
  const ms = performance.now() - started
  await replayer.close()
  return ms
}

/** The heads of our records make the ConfigMap that both sides write to larger: both begin with an empty one. */
async function forgetRecords(stand: Stand): Promise<void> {
  const path = '/api/v1/namespaces/waybill-system/configmaps/waybill-records'
  const data = field((await stand.plane.api('GET', path)).body, 'data')
  const heads = Object.keys(typeof data === 'object' && data !== null ? data : {}).filter(
    (name) => name !== 'puller.pub',
  )
  const body = { data: Object.fromEntries(heads.map((name) => [name, null])) }
  const contentType = 'application/merge-patch+json'
  const answer = await stand.plane.api('PATCH', path, { body, contentType, token: stand.token })
  if (answer.status !== 200) throw new Error(`waybill-records: ${JSON.stringify(answer.body)}`)
}
