import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { Hub } from '../../../puller/drift/hub.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { waitHealthy } from '../../../puller/health/wait.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import { added, endOfList, error, FakeWatches, modified, SET, settle } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'
import { account, context } from '../plan-fixture.ts'

const deployments = { group: 'apps', version: 'v1', kind: 'Deployment', plural: 'deployments', namespaced: true }
const PATH = '/apis/apps/v1/namespaces/shop/deployments'
const desired = prepare(
  [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'api' } }],
  context,
  new Map([['apps/v1 Deployment', deployments]]),
)

function deployment(version: number, observedGeneration: number): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: 'api',
      namespace: 'shop',
      uid: 'u',
      generation: 2,
      resourceVersion: String(version),
      labels: { 'applyset.kubernetes.io/part-of': SET },
    },
    spec: { replicas: 0 },
    status: { observedGeneration },
  }
}

/** A Delivery whose first release is waited for, as a look does. */
function firstRelease(begin: FakeWatches['begin'], sharedKinds: ReadonlySet<string> = new Set()) {
  const cluster = new FakeWatches()
  cluster.begin = begin
  const clock = new FakeClock()
  const faults: unknown[] = []
  const hub = new Hub(cluster, { clock, sharedKinds, onFault: (fault) => faults.push(fault) })
  const tracker = new Tracker(hub, SET, clock, { drifted: () => {}, stirred: () => {} })
  const look = () => {
    tracker.begin()
    tracker.want(desired)
    return waitHealthy(context, desired, cluster, { timeoutMs: 60_000, clock, lookOn: tracker.lookOn })
  }
  const end = () => tracker.end({ account, desired })
  return { cluster, clock, hub, tracker, look, end, faults }
}

const asked = (cluster: FakeWatches) =>
  cluster.calls.map(({ query, accept }) => [accept?.includes('PartialObjectMetadata') === true, query.resourceVersion])

test('health looks on where the watch for drift begins: one request for both, whole objects at first, metadata alone after it', async () => {
  const { cluster, clock, tracker, look, end, faults } = firstRelease(({ query }) =>
    query.sendInitialEvents === 'true' ? [added(deployment(5, 1)), endOfList(7)] : [],
  )
  const health = look()
  await settle()
  cluster.open.get(PATH)?.push(modified(deployment(8, 2)))
  const found = await health
  assert.equal(found.healthy, true)
  tracker.calmed(found.versions)
  end()
  await settle()
  assert.deepEqual(asked(cluster), [[false, undefined]])
  assert.equal(tracker.isCalm(), true, 'it is the one that is followed')
  cluster.open.get(PATH)?.close()
  await clock.runUntil(2_000)
  assert.deepEqual(asked(cluster), [
    [false, undefined],
    [true, '8'],
  ])
  assert.deepEqual(faults, [])
})

test('a watch that runs already, or is shared by all, is not looked on at: health watches by itself', async () => {
  const running = firstRelease(() => [added(deployment(8, 2)), endOfList(8)])
  running.tracker.begin()
  running.end()
  await settle()
  assert.equal((await running.look()).healthy, true)
  assert.deepEqual(
    running.cluster.calls.map(({ query }) => query.labelSelector?.includes('=')),
    [false, true],
    'the second shows this Delivery alone',
  )
  const shared = firstRelease(() => [added(deployment(8, 2)), endOfList(8)], new Set(['apps/Deployment']))
  assert.equal((await shared.look()).healthy, true)
  assert.deepEqual(
    shared.cluster.calls.map(({ as }) => as),
    [account],
  )
})

test('of kinds without a namespace health looks at what it waits for alone: others may have many that are large', async () => {
  const definitions = { group: 'example.com', version: 'v1', kind: 'Bell', plural: 'bells', namespaced: false }
  const { hub, tracker } = firstRelease(() => [])
  const onlooker = { seen: () => {}, gone: () => {}, listed: () => {}, over: () => {} }
  assert.equal(tracker.lookOn(account, { resource: definitions, namespace: '' }, onlooker), false)
  assert.equal(hub.size, 0)
})

test('where the watch that is looked on at ends or is refused, health goes on by itself', {
  timeout: 20_000,
}, async () => {
  for (const first of [[error(403)], [added(deployment(5, 1)), endOfList(7), error(410)]]) {
    let calls = 0
    const { clock, look, end } = firstRelease(() => (++calls === 1 ? first : [added(deployment(8, 2)), endOfList(8)]))
    const health = look()
    await clock.runUntil(2_000)
    assert.equal((await health).healthy, true)
    end()
  }
})

test('a watch that health looked on at ends with its Delivery, though no look came to follow it', async () => {
  const { hub, look, tracker } = firstRelease(() => [added(deployment(8, 2)), endOfList(8)])
  assert.equal((await look()).healthy, true)
  assert.equal(hub.size, 1)
  tracker.drop()
  assert.equal(hub.size, 0)
})
