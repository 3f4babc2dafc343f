import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { field } from '../real/control-plane.ts'
import { app, job } from './apps.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World } from './world.ts'

let world: World
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
})
after(() => world?.stop())

const channel = 'production'
const all = { enabled: true, maxPercent: 100 }
const once = { run: 'once-per-release' }
const jobs = (tenant: Tenant, name: string) => `/apis/batch/v1/namespaces/${tenant.namespace}/jobs/${name}`
const apps = (tenant: Tenant, name: string) => `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/${name}`
const uid = async (tenant: Tenant, path: string) => field((await tenant.get(path)).body, 'metadata', 'uid')
const created = async (tenant: Tenant, path: string) =>
  Date.parse(String(field((await tenant.get(path)).body, 'metadata', 'creationTimestamp')))

/** When a condition of the object last became true, as its controller said. */
async function since(tenant: Tenant, path: string, type: string): Promise<number> {
  const conditions = field((await tenant.get(path)).body, 'status', 'conditions')
  const found = (Array.isArray(conditions) ? conditions : []).find((one) => field(one, 'type') === type)
  assert.equal(field(found, 'status'), 'True', `${path} is ${type}`)
  return Date.parse(String(field(found, 'lastTransitionTime')))
}

const publish = (tenant: Tenant, sequence: number, objects: readonly KubeObject[]) => {
  const packed = tenant.release(String(sequence), objects)
  tenant.publish(packed, { promotion: { channel, sequence } })
  return packed
}

test('nothing of a wave is made before the wave before it is healthy', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [
    app('front', { wave: '5' }),
    app('back', { 'depends-on': 'apps/Deployment/store' }),
    app('store', {}, undefined, { minReadySeconds: 2 }),
    configMap('settings', { a: '1' }),
  ])
  await tenant.deliver()
  const mark = await world.plane.auditMark()
  const said = await tenant.run()
  assert.equal(said.reason, 'Applied', said.message)
  const ready = await since(tenant, apps(tenant, 'store'), 'Available')
  assert.ok((await created(tenant, apps(tenant, 'back'))) >= ready)
  assert.ok((await created(tenant, apps(tenant, 'front'))) >= (await since(tenant, apps(tenant, 'back'), 'Available')))
  const writes = (await world.plane.auditSince(mark))
    .filter(({ verb, requestURI }) => verb === 'patch' && !requestURI.includes('dryRun'))
    .filter(({ objectRef }) => ['deployments', 'configmaps'].includes(objectRef?.resource ?? ''))
    .filter(({ objectRef }) => objectRef?.namespace === tenant.namespace)
    .map(({ objectRef }) => objectRef?.name)
  assert.deepEqual(writes, ['settings', 'store', 'back', 'front'])
})

test('a wave that fails keeps the rest back, until a newer release brings it', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [app('store', {}, 'pending'), app('front', { wave: '1' })])
  await tenant.deliver({ timeout: '1s' })
  const said = await tenant.run()
  assert.equal(said.reason, 'HEALTH_TIMEOUT')
  assert.match(said.message, /^sha256:\w{12} failed: Deployment.apps \S+\/store: /)
  assert.equal((await tenant.get(apps(tenant, 'front'))).status, 404)
  publish(tenant, 2, [app('store'), app('front', { wave: '1' })])
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal((await tenant.get(apps(tenant, 'front'))).status, 200)
  assert.equal(await tenant.kinds(), 'Intent Failed Intent Applied')
})

test('an order that cannot be had is refused before anything is written', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [
    configMap('settings', { a: '1' }),
    app('a', { 'depends-on': 'apps/Deployment/b' }),
    app('b', { 'depends-on': 'apps/Deployment/a' }),
  ])
  await tenant.deliver()
  const said = await tenant.run()
  assert.equal(said.reason, 'DEPENDENCY_CYCLE')
  assert.equal((await tenant.get(`/api/v1/namespaces/${tenant.namespace}/configmaps/settings`)).status, 404)
  assert.equal(await tenant.kinds(), 'Refused')
})

test('what leaves a release goes in the reverse of its order, each gone before the next', async () => {
  const tenant = await world.tenant()
  const last = app('store')
  const first = { ...app('front', { wave: '5' }) }
  const held = { ...first, metadata: { ...first.metadata, finalizers: ['example.com/slow'] } }
  publish(tenant, 1, [last, held, configMap('settings', { a: '1' })])
  await tenant.deliver({ prune: all })
  assert.equal((await tenant.run()).reason, 'Applied')
  publish(tenant, 2, [configMap('settings', { a: '1' })])
  const running = tenant.run()
  await world.plane.eventually('the first is being deleted', async () => {
    const { body } = await tenant.get(apps(tenant, 'front'))
    return field(body, 'metadata', 'deletionTimestamp') !== undefined
  })
  assert.equal((await tenant.get(apps(tenant, 'store'))).status, 200, 'the next waits')
  await world.plane.api('PATCH', apps(tenant, 'front'), {
    body: { metadata: { finalizers: null } },
    contentType: 'application/merge-patch+json',
  })
  assert.equal((await running).reason, 'Applied')
  assert.equal((await tenant.get(apps(tenant, 'store'))).status, 404)
})

test('a migration runs before the rest and a check after it, once for each release', async () => {
  const tenant = await world.tenant()
  const objects = (image: string, text: string) => [
    configMap('settings', { text }),
    job('migrate', { ...once, wave: '-1' }, { image }),
    app('web'),
    app('asleep', {}, undefined, { replicas: 0 }),
    job('smoke', { ...once, wave: '1' }),
  ]
  const one = publish(tenant, 1, objects('registry.example.com/migrate:1', 'one'))
  await tenant.deliver()
  assert.equal((await tenant.run()).reason, 'Applied')
  const migrated = await since(tenant, jobs(tenant, 'migrate'), 'Complete')
  assert.ok((await created(tenant, apps(tenant, 'web'))) >= migrated)
  assert.ok((await created(tenant, jobs(tenant, 'smoke'))) >= (await since(tenant, apps(tenant, 'web'), 'Available')))
  const first = await uid(tenant, jobs(tenant, 'migrate'))
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal(await uid(tenant, jobs(tenant, 'migrate')), first, 'the same release runs nothing again')
  await tenant.get(jobs(tenant, 'smoke'))
  await world.plane.api('DELETE', `${jobs(tenant, 'smoke')}?propagationPolicy=Background`)
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal((await tenant.get(jobs(tenant, 'smoke'))).status, 404, 'what ran and is gone is no drift')
  assert.equal(await tenant.kinds(), 'Intent Applied')
  publish(tenant, 2, objects('registry.example.com/migrate:2', 'two'))
  const said = await tenant.run()
  assert.equal(said.reason, 'Applied', said.message)
  assert.notEqual(await uid(tenant, jobs(tenant, 'migrate')), first)
  assert.equal((await tenant.get(jobs(tenant, 'smoke'))).status, 200)
  const intent = (await tenant.records()).at(-2)
  const { namespace } = tenant
  assert.deepEqual(
    intent?.changes?.listed.map(({ action, object }) => `${action} ${object}`),
    [
      `configure ConfigMap ${namespace}/settings`,
      `replace Job.batch ${namespace}/migrate`,
      `create Job.batch ${namespace}/smoke`,
    ],
  )
  const second = await uid(tenant, jobs(tenant, 'migrate'))
  await tenant.deliver({ hold: { digest: one.digest } })
  assert.equal((await tenant.run()).reason, 'Held')
  assert.equal(await uid(tenant, jobs(tenant, 'migrate')), second, 'going back runs nothing again')
})

test('a migration that fails fails the release, and runs again for an edit only', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [job('migrate', { ...once, wave: '-1', 'run-cleanup': 'failed' }, { pod: 'fail' }), app('web')])
  await tenant.deliver()
  const said = await tenant.run()
  assert.equal(said.reason, 'HEALTH_FAILED', said.message)
  assert.match(said.message, /^sha256:\w{12} failed: .*Job\.batch \S+\/migrate: /)
  assert.equal((await tenant.condition('Stalled'))?.reason, 'HEALTH_FAILED')
  assert.equal(await tenant.condition('Reconciling'), undefined)
  assert.equal((await tenant.get(apps(tenant, 'web'))).status, 404)
  await world.plane.eventually(
    'it is cleaned up',
    async () => (await tenant.get(jobs(tenant, 'migrate'))).status === 404,
  )
  const mark = await world.plane.auditMark()
  assert.equal((await tenant.run()).reason, 'HEALTH_FAILED')
  assert.equal((await tenant.condition('Stalled'))?.reason, 'HEALTH_FAILED', 'and is still told so')
  const made = async () =>
    (await world.plane.auditSince(mark)).filter(
      ({ requestURI, verb, objectRef }) =>
        verb === 'patch' &&
        objectRef?.resource === 'jobs' &&
        !requestURI.includes('dryRun') &&
        objectRef.namespace === tenant.namespace,
    ).length
  assert.equal(await made(), 0, 'a failed run is not tried again by itself')
  await tenant.deliver({ timeout: '20s' })
  assert.equal((await tenant.run()).reason, 'HEALTH_FAILED')
  assert.equal(await made(), 1)
})

test('a run that succeeded is cleaned up where its annotation says so, and stays done', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [job('migrate', { ...once, 'run-cleanup': 'succeeded' }), configMap('settings', { a: '1' })])
  await tenant.deliver()
  assert.equal((await tenant.run()).reason, 'Applied')
  await world.plane.eventually(
    'it is cleaned up',
    async () => (await tenant.get(jobs(tenant, 'migrate'))).status === 404,
  )
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal((await tenant.get(jobs(tenant, 'migrate'))).status, 404)
  assert.equal(await tenant.kinds(), 'Intent Applied')
})

test('a Job that the cluster removed after its end is not made again for the same release', async () => {
  const tenant = await world.tenant()
  publish(tenant, 1, [job('import', {}, { ttlSecondsAfterFinished: 0 }), configMap('settings', { a: '1' })])
  await tenant.deliver()
  assert.equal((await tenant.run()).reason, 'Applied')
  await world.plane.eventually('it is removed', async () => (await tenant.get(jobs(tenant, 'import'))).status === 404)
  assert.equal((await tenant.run()).reason, 'Applied')
  assert.equal((await tenant.get(jobs(tenant, 'import'))).status, 404)
  assert.equal(await tenant.kinds(), 'Intent Applied')
})
