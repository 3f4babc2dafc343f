import { setTimeout as sleep } from 'node:timers/promises'
import type { Asked } from './audit-trail.ts'
import { isConfigMap, nameOf, smallObjects } from './delivered-objects.ts'
import { type Delivering, record, untilQuiet } from './delivering.ts'
import type { Found } from './found.ts'
import { profileOf } from './profile.ts'
import { inFlightMax, openReplayer, scoreOf } from './replay.ts'
import { byPuller, isObjectWrite, PULLER_USER, type Stand } from './stand.ts'

/** The dry runs and writes of a first apply, sent by nobody but an HTTP client. */
export type RawFirstApply = {
  readonly inFlight: number
  /** Sends them all, in a namespace of its own; milliseconds. */
  play(): Promise<number>
}

export async function recordFirstApply(stand: Stand, count: number): Promise<RawFirstApply> {
  const tape = 'tape-0000'
  await stand.addTenants([tape])
  stand.publish(tape, smallObjects(count))
  await stand.deliver([tape])
  const recorded = await record(stand, tape)
  const objects = recorded.filter(({ as, method }) => as !== undefined && method === 'PATCH')
  const dryRuns = objects.filter(({ path }) => path.includes('dryRun=All'))
  const writes = objects.filter(({ path }) => !path.includes('dryRun=All'))
  const inFlight = Math.max(inFlightMax(dryRuns), inFlightMax(writes))
  let plays = 0
  return {
    inFlight,
    play: async () => {
      const tenant = `raw-0000${plays++}`
      await stand.addTenants([tenant])
      const replayer = openReplayer(stand.plane, stand.token)
      const started = performance.now()
      for (const some of [dryRuns, writes])
        await replayer.play(scoreOf(some), inFlight, (text) => text.replaceAll(tape, tenant))
      const ms = performance.now() - started
      await replayer.close()
      return ms
    },
  }
}

/** From the Delivery's creation to the last object that was written. */
export async function firstApply(
  { stand, mark, settled, count }: Delivering,
  raw: { readonly ms: readonly number[]; readonly inFlight: number },
): Promise<Found> {
  const asked = await stand.trail.since(mark, settled)
  const created = asked.find(({ verb, resource }) => verb === 'create' && resource === 'deliveries')
  const own = byPuller(asked)
  const written = own.filter(isObjectWrite)
  const from = created?.startedMs ?? Number.NaN
  const ms = Math.max(...written.map(({ endedMs }) => endedMs)) - from
  const wholeMs = Math.max(...own.map(({ endedMs }) => endedMs)) - from
  const what = `first apply of ${count} objects`
  return {
    figures: [
      {
        what: `${what}, until the last is written, against the same dry runs and writes sent raw (${seconds(ms)} to ${raw.ms.map(seconds).join(' before and ')} after, ${raw.inFlight} in flight)`,
        count: ms / mean(raw.ms),
        unit: '×',
        atMost: 1.25,
      },
      { what: `${what}, until it is healthy and recorded`, count: wholeMs / 1000, unit: 's' },
    ],
    profile: `${what}\n${profileOf(own, 1)}`,
  }
}

const IDLE_MS = 60_000

/** A minute in which nothing happens. */
export async function idle({ stand, puller, count }: Delivering): Promise<Found> {
  const mark = await untilQuiet(stand)
  const cpu = puller.cpuSeconds()
  await sleep(IDLE_MS)
  const used = puller.cpuSeconds() - cpu
  const own = byPuller(await stand.trail.since(mark))
  const what = `nothing to do, ${count} objects, ${IDLE_MS / 1000} s`
  return {
    figures: [
      { what: `${what}: requests beyond watches and the Lease`, count: own.length, unit: '', atMost: 0 },
      { what: `${what}: of one core`, count: (used / IDLE_MS) * 100_000, unit: '%', atMost: 1 },
    ],
    profile: `${what}\n${profileOf(own, 1)}`,
  }
}

const CHANGES = 5

/** One object is changed, and somebody asks to look. */
export async function change({ stand, tenant, count }: Delivering): Promise<Found> {
  const rounds: { readonly ms: number; readonly own: readonly Asked[] }[] = []
  const at = 4
  const others = smallObjects(count).filter((_, index) => index !== at)
  for (let round = 1; round <= CHANGES; round++) {
    stand.publish(tenant, [...others, ...smallObjects(at + 1, `changed in round ${round}`).slice(at)])
    const mark = await untilQuiet(stand)
    const path = `/apis/waybill.dev/v1alpha1/namespaces/${tenant}/deliveries/app`
    const annotations = { 'waybill.dev/reconcile': `round ${round}` }
    await stand.plane.api('PATCH', path, {
      body: { metadata: { annotations } },
      contentType: 'application/merge-patch+json',
    })
    const written = await stand.trail.first(mark, (one) => isObjectWrite(one) && one.name === nameOf(at), 60_000)
    await untilQuiet(stand)
    const asked = await stand.trail.since(mark)
    const seen = asked.find(
      ({ verb, resource, user }) => verb === 'patch' && resource === 'deliveries' && user !== PULLER_USER,
    )
    rounds.push({ ms: (written?.endedMs ?? Number.POSITIVE_INFINITY) - (seen?.endedMs ?? 0), own: byPuller(asked) })
  }
  const times = rounds.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const most = rounds.toSorted((a, b) => b.own.length - a.own.length)[0]?.own ?? []
  const what = `one object changed of ${count}`
  return {
    figures: [
      { what: `${what}: requests (the most of ${CHANGES})`, count: most.length, unit: '', atMost: 12 },
      {
        what: `${what}: from the look to the write (the median of ${CHANGES})`,
        count: (times[Math.floor(CHANGES / 2)] ?? Number.NaN) / 1000,
        unit: 's',
        atMost: 0.5,
      },
    ],
    profile: `${what}\n${profileOf(most, 1)}`,
  }
}

const DRIFTS = 200
const PATIENCE_MS = 15_000
const WARM_UPS = 5

/** Somebody edits objects, one after another; each must come back. The first that does not come back in time ends it. */
export async function drift({ stand, tenant, count }: Delivering): Promise<Found> {
  const atMost = count > 1000 ? 2 : 1
  const targets = [...Array(count).keys()].filter(isConfigMap)
  const step = Math.max(1, Math.floor(targets.length / (DRIFTS + WARM_UPS)))
  const times: number[] = []
  const start = await untilQuiet(stand)
  let missed = 0
  for (let at = 0; at < DRIFTS + WARM_UPS && missed === 0; at++) {
    const name = nameOf(targets[(at * step) % targets.length] ?? 4)
    const path = `/api/v1/namespaces/${tenant}/configmaps/${name}`
    const mark = await stand.trail.mark()
    await stand.plane.api('PATCH', `${path}?fieldManager=somebody`, {
      body: { data: { word: `edited ${at}` } },
      contentType: 'application/merge-patch+json',
    })
    const back = await stand.trail.first(mark, (one) => isObjectWrite(one) && one.name === name, PATIENCE_MS)
    if (back === undefined) missed += 1
    else {
      const edit = await stand.trail.first(
        mark,
        (one) => one.name === name && one.as === undefined && one.verb === 'patch',
        0,
      )
      if (at >= WARM_UPS) times.push(back.endedMs - (edit?.endedMs ?? Number.NaN))
    }
    await sleep(50)
  }
  await untilQuiet(stand)
  const own = byPuller(await stand.trail.since(start))
  const sorted = times.toSorted((a, b) => a - b)
  const of = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.POSITIVE_INFINITY) / 1000
  const what = `drift put back among ${count} objects`
  const p99 = missed > 0 ? Number.POSITIVE_INFINITY : of(0.99)
  return {
    figures: [
      {
        what: `${what}: p99 of ${times.length}${missed > 0 ? `, one not within ${PATIENCE_MS / 1000} s` : ''}`,
        count: p99,
        unit: 's',
        atMost,
      },
      { what: `${what}: median`, count: of(0.5), unit: 's' },
      { what: `${what}: requests each`, count: own.length / Math.max(1, times.length + WARM_UPS), unit: '' },
    ],
    profile: `${what}\n${profileOf(own, Math.max(1, times.length + WARM_UPS))}`,
  }
}

/** What the process has, and had at most. */
export async function memory({ stand, puller, count, emptyMb }: Delivering): Promise<Found> {
  await untilQuiet(stand)
  const { nowMb, peakMb } = puller.memory()
  const what = `memory, ${count} objects managed`
  return {
    figures: [
      { what, count: nowMb, unit: 'MB', atMost: count > 1000 ? 300 : 150 },
      { what: `${what}: at its highest, the first apply included`, count: peakMb, unit: 'MB' },
      { what: 'memory, nothing managed', count: emptyMb, unit: 'MB' },
    ],
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
