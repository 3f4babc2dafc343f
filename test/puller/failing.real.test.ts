import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { field } from '../real/control-plane.ts'
import { app, job } from './apps.ts'
import { pullersOf } from './pullers.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
})
after(() => world?.stop())

const channel = 'production'
const all = { enabled: true, maxPercent: 100 }
const start = pullersOf(() => world)

const apps = (tenant: Tenant, name: string) => `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/${name}`
const settings = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/settings`
const text = async (tenant: Tenant) => field((await tenant.get(settings(tenant))).body, 'data', 'text')
const spec = async (tenant: Tenant, ...path: string[]) => field(await tenant.delivery(), 'spec', ...path)
const status = async (tenant: Tenant, ...path: string[]) => field(await tenant.delivery(), 'status', ...path)
const becomes = (tenant: Tenant, reason: string) =>
  world.plane
    .eventually(`Ready says ${reason}`, async () => (await tenant.condition('Ready'))?.reason === reason)
    .catch(async () => assert.equal(JSON.stringify(await tenant.condition('Ready')), reason))

const publish = (tenant: Tenant, sequence: number, objects: readonly KubeObject[]) => {
  const packed = tenant.release(String(sequence), objects)
  tenant.publish(packed, { promotion: { channel, sequence } })
  return packed
}
const well = (words: string) => [configMap('settings', { text: words }), app('web')]
const stuck = (words: string) => [configMap('settings', { text: words }), app('web', {}, 'pending')]

test('a release that fails goes back to the last healthy one, holds it and says why', async () => {
  const tenant = await world.tenant()
  const good = publish(tenant, 1, well('one'))
  await tenant.deliver({ onFailure: 'rollback', timeout: '2s' })
  start([tenant])
  await becomes(tenant, 'Applied')
  const bad = publish(tenant, 2, stuck('two'))
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  await becomes(tenant, 'Held')
  assert.equal(await text(tenant), 'one')
  assert.equal(await spec(tenant, 'hold', 'digest'), good.digest)
  assert.match(String(await spec(tenant, 'hold', 'reason')), /failed, and onFailure is rollback: HEALTH_TIMEOUT: /)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Failed Intent RolledBack')
  const back = (await tenant.records()).at(-1)
  assert.deepEqual([back?.digest, back?.trigger.type], [good.digest, 'failure'])
  assert.match(back?.trigger.reason ?? '', new RegExp(bad.digest.slice(0, 19)))
  await tenant.annotate({ 'waybill.dev/reconcile': 'again' })
  await world.plane.eventually('looked at', async () => (await tenant.condition('Ready'))?.reason === 'Held')
  assert.equal(await text(tenant), 'one', 'what failed is not tried again while it is held')
})

test('a first release that fails has nothing to go back to, and stays', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, stuck('one'))
  await tenant.deliver({ onFailure: 'rollback', timeout: '1s' })
  assert.equal((await tenant.run()).reason, 'HEALTH_TIMEOUT')
  assert.equal(await spec(tenant, 'hold'), undefined)
  assert.equal(await tenant.kinds(), 'Intent Failed')
})

const waves = (pod?: 'pending') => [
  configMap('settings', { text: 'one' }),
  app('store', {}, pod),
  app('web', { wave: '1' }),
]

test('with hold, drift of what failed is put back and nothing more of it goes out until the Delivery is edited', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, waves('pending'))
  await tenant.deliver({ timeout: '1s', prune: all })
  assert.equal((await tenant.run()).reason, 'HEALTH_TIMEOUT')
  await world.plane.api('DELETE', settings(tenant))
  await world.plane.api('PATCH', `${apps(tenant, 'store')}/scale?fieldManager=somebody`, {
    body: { spec: { replicas: 0 } },
    contentType: 'application/merge-patch+json',
  })
  assert.equal((await tenant.run()).reason, 'HEALTH_TIMEOUT')
  assert.equal(await text(tenant), 'one')
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 404)
  assert.equal(await tenant.kinds(), 'Intent Failed DriftDetected')
  const detected = (await tenant.records()).at(-1)?.changes?.listed.map(({ action, object }) => `${action} ${object}`)
  const { namespace } = tenant
  assert.deepEqual(detected, [`create ConfigMap ${namespace}/settings`, `configure Deployment.apps ${namespace}/store`])
})

test('with hold, a person who asks for another try has what was kept back go out once what failed is healthy', async () => {
  const tenant = await world.tenant()
  const late = app('store', {}, undefined, { minReadySeconds: 4 })
  publish(tenant, 1, [late, app('web', { wave: '1' })])
  await tenant.deliver({ timeout: '1s' })
  start([tenant])
  await becomes(tenant, 'HEALTH_TIMEOUT')
  await world.plane.eventually('it is available after all', async () => {
    return field((await tenant.get(apps(tenant, 'store'))).body, 'status', 'availableReplicas') === 1
  })
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 404)
  await tenant.annotate({ 'waybill.dev/reconcile': 'again' })
  await becomes(tenant, 'Applied')
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 200)
  assert.equal(await tenant.kinds(), 'Intent Failed Applied')
})

test('with continue, a release goes on as soon as what failed is healthy after all', async () => {
  const tenant = await world.tenant()
  const late = app('store', {}, undefined, { minReadySeconds: 4 })
  publish(tenant, 1, [late, app('web', { wave: '1' })])
  await tenant.deliver({ onFailure: 'continue', timeout: '1s', interval: '1s' })
  start([tenant])
  await becomes(tenant, 'HEALTH_TIMEOUT')
  await becomes(tenant, 'Applied')
  assert.equal(await tenant.kinds(), 'Intent Failed Applied')
})

test('a newer release takes the place of one that is stuck between its waves, and the rest of that one never comes', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, waves('pending'))
  await tenant.deliver({ interval: '1s', prune: all })
  start([tenant], { waitTimeoutMs: 120_000 })
  await world.plane.eventually('it waits for a wave', async () => (await status(tenant, 'progress', 'total')) === 2)
  assert.deepEqual(await status(tenant, 'progress'), {
    ready: 0,
    total: 2,
    waiting: [`Deployment.apps ${tenant.namespace}/store`],
  })
  assert.match(String((await tenant.condition('Reconciling'))?.message), /^0 of 2 ready, waiting for Deployment\.apps /)
  publish(tenant, 2, [configMap('settings', { text: 'two' }), app('store')])
  await becomes(tenant, 'Applied')
  assert.equal(await text(tenant), 'two')
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 404)
  assert.equal(await tenant.kinds(), 'Intent Failed Intent Applied')
  assert.equal((await tenant.records())[1]?.error?.code, 'SUPERSEDED')
  assert.equal(await status(tenant, 'progress'), undefined)
})

/** The Role of docs/guides/releases.md. */
async function letGet(tenant: Tenant, namespace: string): Promise<void> {
  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
  const rules = [{ apiGroups: ['waybill.dev'], resources: ['deliveries'], resourceNames: ['app'], verbs: ['get'] }]
  const metadata = { name: 'seen-by-web' }
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name }
  const subjects = [{ kind: 'ServiceAccount', name: 'waybill', namespace: tenant.namespace }]
  assert.equal((await world.plane.api('POST', `${rbac}/roles`, { body: { metadata, rules } })).status, 201)
  const bound = await world.plane.api('POST', `${rbac}/rolebindings`, { body: { metadata, roleRef, subjects } })
  assert.equal(bound.status, 201)
}

test('a Delivery waits for the one that it depends on, keeps what it runs in shape, and goes on at once', async () => {
  const [db, web] = [await world.tenant(), await world.tenant()]
  publish(web, 1, well('one'))
  await web.deliver()
  start([db, web])
  await becomes(web, 'Applied')
  publish(db, 1, stuck('db'))
  await db.deliver({ timeout: '1m' })
  await world.plane.eventually('the other is waited for', async () => (await db.kinds()) === 'Intent')
  publish(web, 2, well('two'))
  await web.deliver({ dependsOn: [{ name: 'app', namespace: db.namespace }] })
  await becomes(web, 'DependencyNotReady')
  const unseen = String((await web.condition('Ready'))?.message)
  assert.match(unseen, new RegExp(`the service account may not get deliveries in ${db.namespace}; a Role there`))
  assert.doesNotMatch(unseen, /not ready|Progressing|does not exist/)
  await letGet(web, db.namespace)
  await web.annotate({ 'waybill.dev/reconcile': 'compare-now' })
  await world.plane.eventually('it sees the other', async () =>
    /app which is not ready: /.test(String((await web.condition('Ready'))?.message)),
  )
  assert.equal(await text(web), 'one')
  await world.plane.api('DELETE', settings(web))
  await world.plane.eventually('drift is put back', async () => (await text(web)) === 'one')
  await becomes(web, 'DependencyNotReady')
  publish(db, 2, well('db'))
  await db.annotate({ 'waybill.dev/reconcile': 'now' })
  await becomes(db, 'Applied')
  await becomes(web, 'Applied')
  assert.equal(await text(web), 'two')
})

test('a changed Job is refused, and replaced where the Delivery names its kind', async () => {
  const tenant = await world.tenant()
  const path = `/apis/batch/v1/namespaces/${tenant.namespace}/jobs/import`
  const uid = async () => field((await tenant.get(path)).body, 'metadata', 'uid')
  publish(tenant, 1, [job('import')])
  await tenant.deliver()
  assert.equal((await tenant.run()).reason, 'Applied')
  const first = await uid()
  publish(tenant, 2, [job('import', {}, { image: 'registry.example.com/migrate:2' })])
  assert.equal((await tenant.run()).reason, 'JOB_CHANGED')
  await tenant.deliver({ force: { kinds: ['Deployment.apps'] } })
  assert.equal((await tenant.run()).reason, 'JOB_CHANGED')
  await tenant.deliver({ force: { kinds: ['Job.batch'] } })
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.notEqual(await uid(), first)
  const changes = (await tenant.records()).at(-2)?.changes?.listed
  assert.deepEqual(
    changes?.map(({ action }) => action),
    ['replace'],
  )
})

test('nothing is deleted for an object that the server would not take', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [app('web')])
  await tenant.deliver({ force: { kinds: ['Deployment.apps'] } })
  assert.equal((await tenant.run()).reason, 'Applied')
  const uid = field((await tenant.get(apps(tenant, 'web'))).body, 'metadata', 'uid')
  // The selector cannot change, and this one does not select the Pods of its template.
  publish(tenant, 2, [app('web', {}, undefined, { selector: { matchLabels: { app: 'other' } } })])
  assert.equal((await tenant.run()).reason, 'OBJECT_REFUSED')
  assert.equal(field((await tenant.get(apps(tenant, 'web'))).body, 'metadata', 'uid'), uid)
})

test('a puller that is stopped in the middle of a migration goes on with it, and runs it no second time', async () => {
  const tenant = await world.tenant()
  const path = `/apis/batch/v1/namespaces/${tenant.namespace}/jobs/migrate`
  const pods = `/api/v1/namespaces/${tenant.namespace}/pods`
  publish(tenant, 1, [job('migrate', { run: 'once-per-release', wave: '-1' }, { pod: 'pending' }), app('web')])
  await tenant.deliver()
  const puller = start([tenant])
  await world.plane.eventually('it runs', async () => field((await tenant.get(path)).body, 'status', 'active') === 1)
  const first = field((await tenant.get(path)).body, 'metadata', 'uid')
  puller.end.abort()
  await puller.over
  assert.equal(await tenant.kinds(), 'Intent')
  const pod = field((await tenant.get(pods)).body, 'items', 0, 'metadata', 'name')
  await world.plane.api('PATCH', `${pods}/${pod}`, {
    body: { metadata: { annotations: { 'waybill.test/pod': null } } },
    contentType: 'application/merge-patch+json',
  })
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal(field((await tenant.get(path)).body, 'metadata', 'uid'), first)
  assert.equal(await tenant.kinds(), 'Intent Applied')
})

test('a group waits for what a Delivery’s own expression calls healthy', async () => {
  const tenant = await world.tenant()
  const state = (phase: string) => [configMap('state', { phase }), app('web', { 'depends-on': '/ConfigMap/state' })]
  publish(tenant, 1, state('starting'))
  await tenant.deliver({ timeout: '1s', health: [{ kind: 'ConfigMap', current: "data.phase == 'running'" }] })
  assert.equal((await tenant.run()).reason, 'HEALTH_TIMEOUT')
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 404)
  publish(tenant, 2, state('running'))
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 200)
})

/** What a refusal says to confirm. */
function confirmationIn(message: string): string {
  return /waybill\.dev\/confirm=(sha256:\w+)`/.exec(message)?.[1] ?? ''
}

test('what holds other things is replaced only once a person confirms it', async () => {
  const tenant = await world.tenant()
  const claim = (storage: string, accessMode: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'disk' },
    spec: { accessModes: [accessMode], storageClassName: '', resources: { requests: { storage } } },
  })
  publish(tenant, 1, [claim('1Gi', 'ReadWriteOnce')])
  await tenant.deliver({ timeout: '1s', force: { kinds: ['PersistentVolumeClaim'] } })
  assert.equal((await tenant.run()).reason, 'HEALTH_TIMEOUT')
  publish(tenant, 2, [claim('1Gi', 'ReadWriteMany')])
  const told = await tenant.run()
  assert.equal(told.reason, 'PRUNE_PROTECTED')
  await tenant.annotate({ 'waybill.dev/confirm': confirmationIn(told.message) })
  await tenant.run()
  const path = `/api/v1/namespaces/${tenant.namespace}/persistentvolumeclaims/disk`
  assert.deepEqual(field((await tenant.get(path)).body, 'spec', 'accessModes'), ['ReadWriteMany'])
})

test('nobody goes on asking for Jobs that ran and are gone', async () => {
  const tenant = await world.tenant()
  const ran = job('migrate', { run: 'once-per-release', 'run-cleanup': 'succeeded' })
  publish(tenant, 1, [ran, job('import', {}, { ttlSecondsAfterFinished: 0 })])
  await tenant.deliver({ interval: '1s' })
  start([tenant])
  await becomes(tenant, 'Applied')
  const jobs = `/apis/batch/v1/namespaces/${tenant.namespace}/jobs`
  await world.plane.eventually('both are gone', async () => {
    const items = field((await tenant.get(jobs)).body, 'items')
    return Array.isArray(items) && items.length === 0
  })
  const polls = async (count: number) => {
    const before = world.registry.requests.length
    await world.plane.eventually('polls', async () => world.registry.requests.length >= before + count)
  }
  await polls(3)
  const mark = await world.plane.auditMark()
  await polls(3)
  const asked = (await world.plane.auditSince(mark)).filter(
    ({ objectRef, verb, userAgent }) =>
      objectRef?.resource === 'jobs' && userAgent === 'waybill' && ['get', 'patch', 'delete'].includes(verb),
  )
  assert.deepEqual(
    asked.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
    [],
  )
  assert.equal(await tenant.kinds(), 'Intent Applied')
})
