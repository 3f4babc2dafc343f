import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { waitHealthy } from '../../../puller/health/wait.ts'
import { added, endOfList, error, FakeWatches, modified, settle } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'
import { context, desiredDeployments } from '../plan-fixture.ts'

const PATH = '/apis/apps/v1/namespaces/shop/deployments'

function deployment(name: string, version: number, observedGeneration: number | undefined): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'shop', generation: 2, resourceVersion: String(version) },
    spec: { replicas: 0 },
    ...(observedGeneration === undefined ? {} : { status: { observedGeneration } }),
  }
}

function waiting(names: readonly string[], begin: FakeWatches['begin']) {
  const cluster = new FakeWatches()
  cluster.begin = begin
  const clock = new FakeClock()
  const stop = new AbortController()
  const objects = desiredDeployments(...names)
  const health = waitHealthy(context, objects, cluster, { timeoutMs: 60_000, clock, signal: stop.signal })
  return { cluster, clock, stop, health }
}

test('what is waited for is seen and followed by one request', async () => {
  const { cluster, health } = waiting(['api'], () => [added(deployment('api', 5, 1)), endOfList(7)])
  await settle()
  cluster.open.get(PATH)?.push(modified(deployment('api', 8, 2)))
  assert.equal((await health).healthy, true)
  assert.deepEqual(
    cluster.calls.map(({ path, query }) => [path, query.sendInitialEvents, query.resourceVersion]),
    [[PATH, 'true', undefined]],
  )
  assert.deepEqual(cluster.lists, [])
})

test('what is not among what exists is missing, and a watch that ends goes on where it was', async () => {
  const { cluster, clock, stop, health } = waiting(['api', 'web'], ({ query }) =>
    query.sendInitialEvents === 'true' ? [added(deployment('api', 50, 2)), endOfList(7)] : [],
  )
  await settle()
  cluster.open.get(PATH)?.close()
  await settle()
  await clock.runUntil(1_000)
  await settle()
  assert.deepEqual(
    cluster.calls.map(({ query }) => query.resourceVersion),
    [undefined, '7'],
  )
  stop.abort()
  assert.deepEqual(
    (await health).waiting.map(({ object, message }) => [object, message]),
    [['Deployment.apps shop/web', 'it is not there, or its ApplySet label is gone']],
  )
})

test('a watch that ends before all was told begins anew', async () => {
  const { cluster, clock, stop, health } = waiting(['api'], () => [added(deployment('api', 5, 1))])
  await settle()
  cluster.open.get(PATH)?.close()
  await settle()
  await clock.runUntil(1_000)
  await settle()
  assert.deepEqual(
    cluster.calls.map(({ query }) => query.sendInitialEvents),
    ['true', 'true'],
  )
  stop.abort()
  await health
})

test('a server that does not stream what exists is listed, and followed from there', async () => {
  const world = waiting(['api'], ({ query }) => (query.sendInitialEvents === 'true' ? [error(422)] : []))
  world.cluster.listAnswer = {
    status: 200,
    body: { metadata: { resourceVersion: '9' }, items: [deployment('api', 5, 2)] },
  }
  assert.equal((await world.health).healthy, true)
  assert.equal(world.cluster.lists.length, 1)
  assert.deepEqual(
    world.cluster.calls.map(({ query }) => query.resourceVersion),
    [undefined, '9'],
  )
})

test('an API that does not answer is said, and asked again', async () => {
  let tries = 0
  const { clock, cluster, health } = waiting(['api'], () =>
    tries++ === 0 ? [error(503)] : [added(deployment('api', 5, 2)), endOfList(7)],
  )
  await settle()
  await clock.runUntil(1_000)
  assert.equal((await health).healthy, true)
  assert.equal(cluster.calls.length, 2)
})
