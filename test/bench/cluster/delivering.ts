import { setTimeout as sleep } from 'node:timers/promises'
import { field } from '../../real/control-plane.ts'
import type { Asked } from './audit-trail.ts'
import { smallObjects } from './delivered-objects.ts'
import type { PullerProcess } from './puller-process.ts'
import { type Recorded, startRecorder } from './recorder.ts'
import { byPuller, PULLER_USER, type Stand } from './stand.ts'

/** One Delivery of many objects, delivered, and a puller that goes on. */
export type Delivering = {
  readonly stand: Stand
  readonly tenant: string
  readonly count: number
  readonly puller: PullerProcess
  /** Before the Delivery was created, and what the puller had then, in megabytes. */
  readonly mark: number
  /** When all was delivered and said. */
  readonly settled: number
  readonly emptyMb: number
}

/** Delivers `count` objects to a new tenant, and waits until all is said and nothing more is asked. */
export async function deliverObjects(stand: Stand, tenant: string, count: number): Promise<Delivering> {
  await stand.addTenants([tenant])
  stand.publish(tenant, smallObjects(count))
  const puller = stand.startPuller({ only: [tenant] })
  const started = await stand.trail.mark()
  await stand.trail.first(started, ({ user, verb }) => user === PULLER_USER && verb === 'watch', 20_000)
  const mark = await untilQuiet(stand)
  const emptyMb = puller.memory().nowMb
  await stand.deliver([tenant])
  await untilReady(stand, tenant, puller, 600_000)
  const settled = await untilQuiet(stand)
  return { stand, tenant, count, puller, mark, settled, emptyMb }
}

/** Runs a puller once over one tenant, and returns all that it asked of the API server. */
export async function record(stand: Stand, tenant: string): Promise<readonly Recorded[]> {
  const recorder = await startRecorder(stand.plane, stand.token)
  const puller = stand.startPuller({ recorder: recorder.kubeconfig, only: [tenant] })
  await untilReady(stand, tenant, puller, 300_000)
  await untilEnded(puller, 60_000)
  await recorder.close()
  return recorder.requests()
}

export async function untilReady(stand: Stand, tenant: string, puller: PullerProcess, waitMs: number): Promise<void> {
  for (const deadline = Date.now() + waitMs; ; await sleep(250)) {
    const ready = await stand.ready(tenant)
    if (ready.status === 'True' && ready.digest !== undefined) return
    if (Date.now() > deadline || (puller.ended() !== undefined && ready.status !== 'True'))
      throw new Error(`${tenant} is not delivered: ${JSON.stringify(ready)}\n${puller.ended()}\n${puller.lastWords()}`)
  }
}

async function untilEnded(puller: PullerProcess, waitMs: number): Promise<void> {
  for (const deadline = Date.now() + waitMs; puller.ended() === undefined; await sleep(50))
    if (Date.now() > deadline) throw new Error(`the puller does not end:\n${puller.lastWords()}`)
}

/** Waits until no puller asked anything for two seconds, or for half a minute; returns the mark. */
export async function untilQuiet(stand: Stand): Promise<number> {
  let mark = await stand.trail.mark()
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    await sleep(2_000)
    const next = await stand.trail.mark()
    const asked: readonly Asked[] = byPuller(await stand.trail.since(mark, next))
    mark = next
    if (asked.length === 0) break
  }
  return mark
}

/** How many Deliveries are ready. */
export async function readyCount(stand: Stand): Promise<number> {
  const { body } = await stand.plane.api('GET', '/apis/waybill.dev/v1alpha1/deliveries')
  const items = field(body, 'items')
  return (Array.isArray(items) ? items : []).filter((item) => {
    const conditions = field(item, 'status', 'conditions')
    return (
      Array.isArray(conditions) &&
      conditions.some((one) => field(one, 'type') === 'Ready' && field(one, 'status') === 'True')
    )
  }).length
}
