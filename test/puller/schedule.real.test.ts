import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connectCluster } from '../../puller/cluster/cluster.ts'
import { field } from '../real/control-plane.ts'
import { configMap, deployment } from './release-fixture.ts'
import { startWorld, type Tenant, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const greeting = (hello: string) => configMap('greeting', { hello })
const at = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')
const mergePatch = 'application/merge-patch+json'

/** Once a year, and last yesterday: it does not come while a test runs. */
function farAway(): string {
  const day = new Date(Date.now() - 24 * 3_600_000)
  return `0 0 ${Math.min(day.getUTCDate(), 28)} ${day.getUTCMonth() + 1} *`
}

test('with a schedule, a release that comes out in between waits for the next time, over restarts too, while drift is put back', async () => {
  const tenant = await world.tenant()
  const promote = (hello: string, sequence: number) =>
    tenant.publish(tenant.release(hello, [greeting(hello)]), { promotion: { channel, sequence } })
  const runs = async () => {
    assert.equal((await tenant.run()).ready, true)
    return hello(tenant)
  }
  const schedule = farAway()
  promote('one', 1)
  await tenant.deliver({ schedule, timeZone: 'Europe/Berlin' })
  assert.equal(await runs(), 'one', 'what is new is delivered at once')
  promote('two', 2)
  const before = world.registry.requests.length
  assert.equal(await runs(), 'one')
  await world.plane.api('PATCH', `${at(tenant)}?fieldManager=x`, {
    body: { data: { hello: 'x' } },
    contentType: mergePatch,
  })
  assert.equal(await runs(), 'one')
  assert.deepEqual(world.registry.requests.slice(before), [], 'and the registry is not even asked')
  assert.equal(await tenant.kinds(), 'Intent Applied Intent DriftCorrected')

  const path = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveries/app/status`
  const body = { status: { schedule: { askedAt: '2020-01-01T00:00:00Z' } } }
  const puller = connectCluster({ kubeconfig: world.kubeconfig })
  const set = await puller.request('puller', { method: 'PATCH', path, body, contentType: mergePatch })
  await puller.close()
  assert.equal(set.status, 200)
  assert.equal(await runs(), 'two', 'a time has passed since it was asked')

  promote('three', 3)
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  assert.equal(await runs(), 'three', 'a person asks')
  promote('four', 4)
  assert.equal(await runs(), 'three', 'but only once')
  await tenant.deliver({ schedule })
  assert.equal(await runs(), 'four', 'the Delivery is edited')
})

test('with a schedule, a release that is waited for keeps its place until the next time', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('stuck', [deployment('api')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ schedule: farAway(), interval: '1s' })
  const over = tenant.run({ waitTimeoutMs: 4_000, signal: AbortSignal.timeout(60_000) })
  await world.plane.eventually('it is waited for', async () => (await tenant.kinds()) === 'Intent')
  tenant.publish(tenant.release('next', [greeting('next')]), { promotion: { channel, sequence: 2 } })
  const before = world.registry.requests.length
  assert.equal((await over).reason, 'HEALTH_TIMEOUT')
  assert.equal(await tenant.kinds(), 'Intent Failed')
  assert.deepEqual(world.registry.requests.slice(before), [])
})

test('a look that a registry did not answer is made again, and one that it did is not', async (t) => {
  t.after(() => world.registry.behave())
  const tenant = await world.tenant()
  const version = (one: string) => tenant.publish(tenant.release(one, [greeting(one)]), { version: one, tag: one })
  version('1.0.0')
  world.registry.when('GET', /tags/).status(500)
  await tenant.deliver({
    source: { repository: tenant.repository, version: '^1' },
    environment: 'production',
    schedule: farAway(),
  })
  assert.equal((await tenant.run()).reason, 'REGISTRY_FAILED')
  world.registry.behave()
  assert.equal((await tenant.run()).ready, true)
  const { schedule } = Object(field(await tenant.delivery(), 'status'))
  version('1.1.0')
  await tenant.run()
  assert.equal(await hello(tenant), '1.0.0')
  assert.deepEqual(field(await tenant.delivery(), 'status', 'schedule'), schedule, 'and nothing is written')
})
