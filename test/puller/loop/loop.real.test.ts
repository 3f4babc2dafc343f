import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { runPuller } from '../../../puller/puller.ts'
import { startFakeRegistry } from '../../fakes/registry.ts'
import { writeKubeconfig } from '../../real/cluster.ts'
import { field } from '../../real/control-plane.ts'
import { addTenant } from '../installed.ts'
import { pullersOf } from '../pullers.ts'
import { bundlesFor, configMap, deployment, newSigningKey, policySpec, release } from '../release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const greeting = (hello: string) => configMap('greeting', { hello })
const start = pullersOf(() => world)

const at = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')
const until = (tenant: Tenant, wanted: string) =>
  world.plane.eventually(`hello ${wanted}`, async () => (await hello(tenant)) === wanted)
const untilReason = (tenant: Tenant, reason: string) =>
  world.plane.eventually(`Ready says ${reason}`, async () => (await tenant.condition('Ready'))?.reason === reason)
const kindsBecome = (tenant: Tenant, kinds: string) =>
  world.plane
    .eventually(`records ${kinds}`, async () => (await tenant.kinds()) === kinds)
    .catch(async () => assert.equal(await tenant.kinds(), kinds))

async function edit(tenant: Tenant, data: Record<string, string>): Promise<void> {
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${at(tenant)}?fieldManager=somebody`, { body: { data }, contentType })
}

test('a puller that runs sees a new Delivery, an edited one, and one that it is asked to look at, at once', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  start([tenant])
  await tenant.deliver()
  await until(tenant, 'world')
  await untilReason(tenant, 'Applied')
  const second = tenant.release('2', [greeting('mars')])
  tenant.publish(second, { promotion: { channel, sequence: 2 } })
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  await until(tenant, 'mars')
  await kindsBecome(tenant, 'Intent Applied Intent Applied')
  const [first] = await tenant.records()
  await tenant.deliver({ hold: { digest: first?.digest } })
  await until(tenant, 'world')
  await kindsBecome(tenant, 'Intent Applied Intent Applied Intent RolledBack')
})

test('an account and rights that come after the Delivery are found long before its interval is over', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${tenant.namespace}/rolebindings/waybill`
  const account = `/api/v1/namespaces/${tenant.namespace}/serviceaccounts`
  for (const path of [rbac, `${account}/waybill`]) await world.plane.api('DELETE', path)
  await tenant.deliver({ interval: '1h' })
  start([tenant])
  await untilReason(tenant, 'ACCOUNT_MISSING')
  await world.plane.api('POST', account, { body: { metadata: { name: 'waybill' } } })
  await untilReason(tenant, 'OBJECT_FORBIDDEN')
  await addTenant(world.plane, tenant.namespace)
  await untilReason(tenant, 'Applied')
})

test('the channel is polled and drift is put back at the interval, and a poll costs one request', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ interval: '1s' })
  start([tenant])
  await until(tenant, 'world')
  await untilReason(tenant, 'Applied')
  await edit(tenant, { hello: 'nobody' })
  await until(tenant, 'world')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected')
  const before = world.registry.requests.length
  await world.plane.eventually('three polls', async () => world.registry.requests.length >= before + 3)
  const polls = world.registry.requests.slice(before)
  assert.deepEqual([...new Set(polls)], [`HEAD /v2/${tenant.namespace}/shop/manifests/production`])
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
  await until(tenant, 'mars')
})

test('an interval with nothing to do writes nothing', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ interval: '1s' })
  start([tenant])
  await untilReason(tenant, 'Applied')
  await tenant.run()
  const mark = await world.plane.auditMark()
  const before = world.registry.requests.length
  await world.plane.eventually('three polls', async () => world.registry.requests.length >= before + 3)
  const writes = (await world.plane.auditSince(mark)).filter(
    ({ verb, requestURI }) => /create|patch|update|delete/.test(verb) && !/dryRun=All|selfsubject/.test(requestURI),
  )
  assert.deepEqual(writes, [])
})

test('a newer verified release takes the place of one that does not become healthy, which is recorded', async () => {
  const tenant = await world.tenant()
  const stuck = tenant.release('1', [greeting('world'), deployment('api')])
  tenant.publish(stuck, { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ interval: '1s', prune: { enabled: true, maxPercent: 100 } })
  start([tenant], { waitTimeoutMs: 60_000 })
  await until(tenant, 'world')
  await world.plane.eventually('Reconciling', async () => (await tenant.condition('Reconciling'))?.status === 'True')
  assert.notEqual((await tenant.condition('Ready'))?.status, 'True')
  tenant.publish(tenant.release('unsigned', [greeting('evil')]), {
    key: newSigningKey(),
    promotion: { channel, sequence: 2 },
  })
  const before = world.registry.requests.length
  await world.plane.eventually('more polls', async () => world.registry.requests.length > before + 4)
  assert.equal(await tenant.kinds(), 'Intent', 'what is not verified takes nobody’s place')
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 3 } })
  await until(tenant, 'mars')
  await kindsBecome(tenant, 'Intent Failed Intent Applied')
  const failed = (await tenant.records())[1]
  assert.deepEqual([failed?.error?.code, failed?.intent, failed?.digest], ['SUPERSEDED', 1, stuck.digest])
})

test('an edit ends a wait at once', async () => {
  const tenant = await world.tenant()
  const well = tenant.release('0', [greeting('world')])
  tenant.publish(well, { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  await tenant.run()
  tenant.publish(tenant.release('1', [greeting('stuck'), deployment('api')]), { promotion: { channel, sequence: 2 } })
  start([tenant], { waitTimeoutMs: 60_000 })
  await until(tenant, 'stuck')
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 }, hold: { digest: well.digest } })
  await until(tenant, 'world')
  await kindsBecome(tenant, 'Intent Applied Intent Failed Intent RolledBack')
  await untilReason(tenant, 'Held')
})

test('one that waits, and one that fails, hold nobody up', async () => {
  const [waits, fails, well] = [await world.tenant(), await world.tenant(), await world.tenant()]
  waits.publish(waits.release('1', [deployment('api')]), { promotion: { channel, sequence: 1 } })
  fails.publish(fails.release('1', [greeting('world')]))
  well.publish(well.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await waits.deliver()
  await fails.deliver()
  start([waits, fails, well], { parallel: 1, waitTimeoutMs: 60_000 })
  await untilReason(fails, 'PROMOTION_MISSING')
  await well.deliver()
  await until(well, 'world')
})

test('a registry that stalls holds nobody else up', async (t) => {
  const dead = await startFakeRegistry()
  t.after(() => dead.close())
  for (const method of ['HEAD', 'GET']) dead.when(method, /./).stall()
  const [stalled, well] = [await world.tenant(), await world.tenant()]
  well.publish(well.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await stalled.deliver({ source: { repository: `${dead.host}/acme/shop`, mirrorOf: stalled.repository, channel } })
  start([stalled, well], { parallel: 1 })
  await world.plane.eventually('it is asked', async () => dead.requests.length > 0)
  await well.deliver()
  await until(well, 'world')
  assert.equal((await stalled.condition('Ready'))?.status, undefined, 'the other one still waits')
})

test('neither an edit nor the end waits for a registry that stalls, and nothing is said of what was given up', async (t) => {
  const dead = await startFakeRegistry()
  t.after(() => dead.close())
  const tenant = await world.tenant()
  const first = tenant.release('1', [greeting('world')])
  tenant.publish(first, { promotion: { channel, sequence: 1 } })
  for (const method of ['HEAD', 'GET']) dead.when(method, /./).stall()
  await tenant.deliver({ source: { repository: `${dead.host}/acme/shop`, mirrorOf: tenant.repository, channel } })
  const patient = { registryIdleMs: 600_000 }
  const puller = start([tenant], patient)
  await world.plane.eventually('it is asked', async () => dead.requests.length > 0)
  await tenant.deliver()
  await until(tenant, 'world')
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  await kindsBecome(tenant, 'Intent Applied Intent Applied')
  world.registry.when('GET', /referrers/).stall()
  t.after(() => world.registry.behave())
  const before = world.registry.requests.length
  // By the bundles that are kept, this is an older promotion.
  tenant.publish(first, { promotion: { channel, sequence: 3 } })
  await tenant.annotate({ 'waybill.dev/reconcile': 'again' })
  await world.plane.eventually('its bundles are asked for', async () => world.registry.requests.length >= before + 2)
  puller.end.abort()
  await world.plane.eventually(
    'the puller ends',
    async () => (await Promise.race([puller.over, 'not yet'])) !== 'not yet',
  )
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Applied')
})

/** What the Deployment controller says of one replica that is there. */
const rolledOut = {
  observedGeneration: 1,
  replicas: 1,
  updatedReplicas: 1,
  readyReplicas: 1,
  availableReplicas: 1,
  conditions: [{ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: '' }],
}

test('a registry that stalls during a wait does not keep back that the release is healthy', async (t) => {
  t.after(() => world.registry.behave())
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [deployment('api')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ interval: '2s' })
  start([tenant], { waitTimeoutMs: 120_000, registryIdleMs: 25_000 })
  await kindsBecome(tenant, 'Intent')
  world.registry.when('HEAD', /./).stall()
  const before = world.registry.requests.length
  await world.plane.eventually('it is polled', async () => world.registry.requests.length > before)
  const path = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/api`
  await world.plane.eventually('it is applied', async () => (await tenant.get(path)).status === 200)
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${path}/status`, { body: { status: rolledOut }, contentType })
  await world.plane.eventually('it is recorded', async () => (await tenant.kinds()) === 'Intent Applied', 15_000)
})

test('a release that does not become healthy in time is not Ready, is recorded once as failed, and goes on when it is', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [deployment('api')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  start([tenant], { waitTimeoutMs: 500 })
  await untilReason(tenant, 'HEALTH_TIMEOUT')
  await tenant.annotate({ 'waybill.dev/reconcile': 'again' })
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  assert.equal(await tenant.kinds(), 'Intent Failed')
  const path = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/api/status`
  const available = { type: 'Available', status: 'True', reason: 'x', message: '' }
  await world.plane.api('PATCH', path, {
    body: { status: { ...rolledOut, conditions: [...rolledOut.conditions, available] } },
    contentType: 'application/merge-patch+json',
  })
  await kindsBecome(tenant, 'Intent Failed Applied')
  await untilReason(tenant, 'Applied')
  await world.plane.api('PATCH', path, {
    body: {
      status: {
        readyReplicas: 0,
        availableReplicas: 0,
        conditions: [...rolledOut.conditions, { ...available, status: 'False' }],
      },
    },
    contentType: 'application/merge-patch+json',
  })
  await tenant.annotate({ 'waybill.dev/reconcile': 'and again' })
  await untilReason(tenant, 'HEALTH_TIMEOUT')
  assert.equal((await tenant.condition('Ready'))?.status, 'False', 'what was well and no longer is, is not Ready')
  assert.equal(await tenant.kinds(), 'Intent Failed Applied')
})

test('while a new release is waited for, Ready and what is applied speak of the one that is healthy', async () => {
  const tenant = await world.tenant()
  const well = tenant.release('1', [greeting('world')])
  tenant.publish(well, { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  await tenant.run()
  const waits = tenant.release('2', [greeting('mars'), deployment('api')])
  tenant.publish(waits, { promotion: { channel, sequence: 2 } })
  start([tenant], { waitTimeoutMs: 60_000 })
  const applied = async () => field(await tenant.delivery(), 'status', 'applied', 'digest')
  const path = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/api`
  await world.plane.eventually('all of it is applied', async () => (await tenant.get(path)).status === 200)
  const conditions = async () => [
    (await tenant.condition('Ready'))?.status,
    (await tenant.condition('Reconciling'))?.status,
    await applied(),
  ]
  const waiting = ['Unknown', 'True', well.digest]
  await world.plane
    .eventually('it is said', async () => String(await conditions()) === String(waiting))
    .catch(async () => assert.deepEqual(await conditions(), waiting))
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${path}/status`, { body: { status: rolledOut }, contentType })
  await untilReason(tenant, 'Applied')
  assert.deepEqual(await conditions(), ['True', undefined, waits.digest])
})

test('of two that follow one channel, each looks at its own interval, and at once when it is asked to', async () => {
  const [fast, slow] = [await world.tenant(), await world.tenant()]
  const promoted = (sequence: number) => ({ promotion: { channel, sequence } })
  fast.publish(fast.release('1', [greeting('world')]), promoted(1))
  const source = { repository: fast.repository, channel }
  await fast.deliver({ source, interval: '1s' })
  await slow.deliver({ source, interval: '1h' })
  start([fast, slow])
  for (const tenant of [fast, slow]) await untilReason(tenant, 'Applied')
  const polls = () => world.registry.requests.filter((line) => line.startsWith(`HEAD /v2/${fast.namespace}/`)).length
  const [mark, before] = [await world.plane.auditMark(), polls()]
  await world.plane.eventually('the fast one polls', async () => polls() >= before + 3)
  fast.publish(fast.release('2', [greeting('mars')]), promoted(2))
  await until(fast, 'mars')
  assert.equal(await hello(slow), 'world')
  const looks = (await world.plane.auditSince(mark)).filter(({ requestURI }) => requestURI.includes(slow.namespace))
  assert.deepEqual(
    looks.filter(({ user }) => user.username.endsWith(':waybill-puller')),
    [],
  )
  fast.publish(fast.release('3', [greeting('venus')]), promoted(3))
  await slow.annotate({ 'waybill.dev/reconcile': 'now' })
  await until(slow, 'venus')
})

test('a key that is revoked while the puller runs is noticed without any poll', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  start([tenant])
  await untilReason(tenant, 'Applied')
  const mark = await world.plane.auditMark()
  await tenant.setPolicy({ state: 'revoked' })
  await untilReason(tenant, 'SIGNER_REVOKED')
  assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
  await tenant.setPolicy({})
  await untilReason(tenant, 'Applied')
  assert.equal(await tenant.kinds(), 'Intent Applied TrustChanged Unchanged')
})

test('Deliveries that follow the same tag with the same login share the poll, and a wrong login is no login', async (t) => {
  const login = { scheme: 'basic', username: 'puller', password: 'correct-horse' } as const
  const registry = await startFakeRegistry({ auth: login })
  t.after(() => registry.close())
  const tenants = [
    await world.tenant({ policy: null }),
    await world.tenant({ policy: null }),
    await world.tenant({ policy: null }),
  ]
  const repository = `${registry.host}/acme/shared`
  const packed = release(repository, '1', [greeting('world')])
  registry.putBlob('acme/shared', packed.config)
  registry.putBlob('acme/shared', packed.layer)
  registry.putManifest('acme/shared', packed.manifest, { tag: channel })
  for (const bundle of bundlesFor(packed, world.key, { promotion: { channel, sequence: 1 } }))
    registry.attachBundle('acme/shared', packed.digest, bundle)
  const spec = policySpec(registry.host, world.key)
  const body = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'shared' }, spec }
  await world.plane.api('POST', '/apis/waybill.dev/v1alpha1/trustpolicies', { body })
  for (const [i, tenant] of tenants.entries()) {
    const password = i === 2 ? 'wrong-horse' : login.password
    const auth = Buffer.from(`puller:${password}`).toString('base64')
    const config = JSON.stringify({ auths: { [registry.host]: { auth } } })
    await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, {
      body: {
        metadata: { name: 'pull' },
        type: 'kubernetes.io/dockerconfigjson',
        stringData: { '.dockerconfigjson': config },
      },
    })
    await tenant.deliver({ source: { repository, channel, pullSecret: { name: 'pull' } }, interval: '2s' })
  }
  start(tenants)
  const [one, two, wrong] = tenants
  assert.ok(one && two && wrong)
  await until(one, 'world')
  await until(two, 'world')
  await untilReason(wrong, 'REGISTRY_AUTH')
  assert.equal(await hello(wrong), undefined, 'what the others fetched with their login is not for him')
  const said = JSON.stringify(await wrong.delivery())
  assert.ok(!said.includes('horse') && !said.includes('auth":'), said)
  const good = `Basic ${Buffer.from('puller:correct-horse').toString('base64')}`
  const heads = () => registry.seen.filter(({ method, headers }) => method === 'HEAD' && headers.authorization === good)
  await untilReason(two, 'Applied')
  const before = heads().length
  await new Promise((resolve) => setTimeout(resolve, 6_500))
  const polls = heads().length - before
  assert.ok(polls >= 2 && polls <= 5, `${polls} polls of two Deliveries in three intervals`)
})

test('an API server that goes away and comes back is followed again', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  start([tenant])
  await untilReason(tenant, 'Applied')
  await world.plane.restartApiserver()
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
  await tenant.annotate({ 'waybill.dev/reconcile': 'after the restart' })
  await until(tenant, 'mars')
})

test('a puller that is told to end does so in good time, in the middle of a wait', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [deployment('api')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  const { end, over } = start([tenant], { waitTimeoutMs: 60_000 })
  await kindsBecome(tenant, 'Intent')
  end.abort()
  const begun = Date.now()
  await over
  assert.ok(Date.now() - begun < 5_000)
  assert.equal(await tenant.kinds(), 'Intent')
})

test('a puller without rights, and one whose API server does not answer, say so and end', async () => {
  const tenant = await world.tenant()
  const options = { cacheDir: tenant.cacheDir, once: true, log: pino({ level: 'silent' }) }
  const nobody = world.plane.userKubeconfig('mallory')
  await assert.rejects(runPuller({ ...options, kubeconfig: nobody }), { code: 'CLUSTER_FORBIDDEN' })
  const closed = join(world.plane.directory, 'closed.kubeconfig')
  writeKubeconfig(closed, { server: 'https://127.0.0.1:1', caFile: world.plane.caFile }, 'nobody', 'none')
  await assert.rejects(runPuller({ ...options, kubeconfig: closed }), { code: 'CLUSTER_UNREACHABLE' })
})
