import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field } from '../../real/control-plane.ts'
import { pullersOf } from '../pullers.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

/** What a puller that runs does by itself when a person or a time lets it. */
let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const start = pullersOf(() => world)

const path = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(path(tenant))).body, 'data', 'hello')
const untilHello = (tenant: Tenant, wanted: string) =>
  world.plane.eventually(`hello ${wanted}`, async () => (await hello(tenant)) === wanted)
const untilReason = (tenant: Tenant, reason: string) =>
  world.plane.eventually(`Ready says ${reason}`, async () => (await tenant.condition('Ready'))?.reason === reason)
const soon = (ms: number) => new Date(Date.now() + ms).toISOString()

function promote(tenant: Tenant, sequence: number, hello: string) {
  const packed = tenant.release(hello, [configMap('greeting', { hello })])
  tenant.publish(packed, { promotion: { channel: 'production', sequence } })
  return packed.digest
}

/** What the puller asked the API server since then, watches aside. */
async function asked(mark: Awaited<ReturnType<World['plane']['auditMark']>>): Promise<string[]> {
  return (await world.plane.auditSince(mark))
    .filter(({ user }) => user.username.endsWith(':waybill-puller'))
    .filter(({ verb }) => verb !== 'watch')
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

test('while a release waits for approval nobody asks the API server, and the approval is seen at once', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, 'one')
  await tenant.deliver()
  start([tenant])
  await untilHello(tenant, 'one')
  await untilReason(tenant, 'Applied')
  const digest = promote(tenant, 2, 'two')
  await tenant.deliver({ sync: 'approve', interval: '1s' })
  await untilReason(tenant, 'AwaitingApproval')
  const polls = () => world.registry.requests.length
  const settled = polls()
  await world.plane.eventually('two polls', async () => polls() >= settled + 2)
  const [mark, before] = [await world.plane.auditMark(), polls()]
  await world.plane.eventually('four more', async () => polls() >= before + 4)
  assert.deepEqual(await asked(mark), [])
  const plan = field(await tenant.delivery(), 'status', 'plan', 'plan')
  await tenant.deliver({ sync: 'approve', interval: '1h' })
  await untilReason(tenant, 'AwaitingApproval')
  await tenant.annotate({ 'waybill.dev/approve': `${digest} ${plan}` })
  await untilHello(tenant, 'two')
})

test('while nothing happens, what is only observed costs the API server nothing, and drift is told at once', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, 'one')
  await tenant.deliver()
  start([tenant])
  await untilHello(tenant, 'one')
  await untilReason(tenant, 'Applied')
  promote(tenant, 2, 'two')
  await tenant.deliver({ sync: 'observe', interval: '1s' })
  await untilReason(tenant, 'Observed')
  const polls = () => world.registry.requests.length
  const settled = polls()
  await world.plane.eventually('two polls', async () => polls() >= settled + 2)
  const [mark, before] = [await world.plane.auditMark(), polls()]
  await world.plane.eventually('four more', async () => polls() >= before + 4)
  assert.deepEqual(await asked(mark), [])
  assert.equal(field(await tenant.delivery(), 'status', 'drift'), undefined)
  const [body, contentType] = [{ data: { hello: 'nobody' } }, 'application/merge-patch+json']
  await tenant.deliver({ sync: 'observe', interval: '1h' })
  await untilReason(tenant, 'Observed')
  await world.plane.api('PATCH', `${path(tenant)}?fieldManager=somebody`, { body, contentType })
  await world.plane.eventually('drift is told', async () => (await tenant.condition('Drifted'))?.status === 'True')
  assert.equal(await hello(tenant), 'nobody')
})

test('a suspension and a hold end by themselves, each with one edit of the spec', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, 'one')
  await tenant.deliver()
  start([tenant])
  await untilHello(tenant, 'one')
  promote(tenant, 2, 'two')
  const mark = await world.plane.auditMark()
  await tenant.deliver({ suspend: { until: soon(3_000) } })
  await untilReason(tenant, 'Suspended')
  await untilHello(tenant, 'two')
  await untilReason(tenant, 'Applied')
  await tenant.deliver({ hold: { digest: first, until: soon(4_000) } })
  await untilHello(tenant, 'one')
  await untilHello(tenant, 'two')
  await untilReason(tenant, 'Applied')
  const edits = (await world.plane.auditSince(mark)).filter(({ requestURI }) => requestURI.includes('waybill-expiry'))
  assert.equal(edits.length, 2)
  assert.match(await tenant.kinds(), /Suspended Resumed Intent Applied Intent RolledBack Resumed Intent Applied$/)
})

test('a release that waits for a window goes out when it opens', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, 'one')
  const opens = new Date(Math.ceil((Date.now() + 2_000) / 60_000) * 60_000)
  const windows = [{ kind: 'allow', start: `${opens.getUTCMinutes()} ${opens.getUTCHours()} * * *`, duration: '10m' }]
  await tenant.deliver({ windows })
  start([tenant])
  await untilReason(tenant, 'OutsideWindow')
  await world.plane.eventually('it opens', async () => (await hello(tenant)) === 'one', 90_000)
  assert.ok(Date.now() >= opens.getTime())
})
