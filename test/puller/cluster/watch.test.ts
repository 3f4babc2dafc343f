import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { WaybillError } from '../../../contract/errors.ts'
import type { Cluster, ClusterAnswer, WatchEvent } from '../../../puller/cluster/cluster-port.ts'
import { follow, listAll } from '../../../puller/cluster/watch.ts'
import { FakeClock } from '../fake-clock.ts'

type Step = { list: JsonObject[]; at: string } | { watch: (WatchEvent | Error)[] } | { refused: number }

const object = (name: string, version: string): JsonObject => ({
  metadata: { name, namespace: 'shop', uid: name, resourceVersion: version },
})
const event = (type: WatchEvent['type'], one: JsonObject): WatchEvent => ({ type, object: one })

/** Plays the steps in order, then watches in silence. */
async function played(steps: Step[]): Promise<{ told: string[]; asked: string[]; clock: FakeClock }> {
  const told: string[] = []
  const asked: string[] = []
  const clock = new FakeClock()
  const end = new AbortController()
  const cluster: Cluster = {
    request: async (): Promise<ClusterAnswer> => {
      const step = steps.shift()
      asked.push('list')
      if (step !== undefined && 'refused' in step) return { status: step.refused, body: {} }
      if (step === undefined || !('list' in step)) throw new Error('a list was not expected')
      return { status: 200, body: { items: step.list, metadata: { resourceVersion: step.at } } }
    },
    watch: async function* (_as, { query }) {
      asked.push(`watch from ${query?.resourceVersion}`)
      const step = steps.shift()
      if (step === undefined) return end.abort()
      if (!('watch' in step)) throw new Error('a watch was not expected')
      for (const one of step.watch) {
        if (one instanceof Error) throw one
        yield one
      }
    },
    resource: async () => undefined,
  }
  const nameOf = (one: JsonObject) => String((one.metadata as JsonObject).name)
  const followed = follow(
    cluster,
    '/apis/x',
    {
      onChange: (one, before) => told.push(`${before === undefined ? 'new' : 'changed'} ${nameOf(one)}`),
      onGone: (one) => told.push(`gone ${nameOf(one)}`),
      onTrouble: (error) => told.push(`trouble ${error instanceof WaybillError ? error.code : String(error)}`),
      onRecovered: () => told.push('well again'),
    },
    { clock, signal: end.signal },
  )
  await clock.runUntil(600_000)
  await followed.ended
  return { told, asked, clock }
}

test('a lost connection goes on from the last bookmark', async () => {
  const { told, asked } = await played([
    { list: [object('a', '1')], at: '5' },
    { watch: [event('MODIFIED', object('a', '6')), event('BOOKMARK', { metadata: { resourceVersion: '9' } })] },
    { watch: [event('ADDED', object('b', '10')), new WaybillError('CLUSTER_UNREACHABLE', 'gone')] },
  ])
  assert.deepEqual(told, ['new a', 'changed a', 'new b', 'trouble CLUSTER_UNREACHABLE'])
  assert.deepEqual(asked.slice(0, 3), ['list', 'watch from 5', 'watch from 9'])
})

test('a watch that is too old lists again, and tells what vanished and what changed meanwhile, and nothing twice', async () => {
  const { told } = await played([
    { list: [object('a', '1'), object('b', '2'), object('c', '3')], at: '5' },
    { watch: [event('ERROR', { code: 410 })] },
    { list: [object('a', '1'), object('c', '8')], at: '9' },
  ])
  assert.deepEqual(told, ['new a', 'new b', 'new c', 'gone b', 'changed c'])
})

test('that a collection cannot be followed is told once for each reason, and so is that it can again', async () => {
  const { told } = await played([
    { refused: 500 },
    { refused: 500 },
    { refused: 403 },
    { refused: 500 },
    { list: [], at: '1' },
    { watch: [new WaybillError('CLUSTER_FAILED', 'listed, and not watched')] },
    { watch: [new WaybillError('CLUSTER_FAILED', 'listed, and not watched')] },
    { list: [], at: '5' },
    { watch: [event('ADDED', object('a', '6')), event('ADDED', object('b', '7'))] },
    { watch: [new WaybillError('CLUSTER_FAILED', 'another time')] },
  ])
  const told500 = 'trouble CLUSTER_FAILED'
  assert.deepEqual(told, [told500, 'trouble CLUSTER_FORBIDDEN', 'well again', 'new a', 'new b', told500])
})

test('a server that ends every watch at once is not asked more than about twice a second', async () => {
  const { asked, clock } = await played([
    { list: [], at: '1' },
    ...Array.from({ length: 10 }, (): Step => ({ watch: [] })),
  ])
  assert.equal(asked.length, 12)
  assert.ok(clock.nowMs() >= 5_000)
})

test('a cluster without Waybill’s kinds is said as such', async () => {
  for (const [status, code] of [
    [404, 'CLUSTER_NOT_INSTALLED'],
    [403, 'CLUSTER_FORBIDDEN'],
    [500, 'CLUSTER_FAILED'],
  ] as const) {
    const cluster: Cluster = {
      request: async () => ({ status, body: {} }),
      watch: async function* () {},
      resource: async () => undefined,
    }
    await assert.rejects(listAll(cluster, '/apis/x'), { code })
  }
})
