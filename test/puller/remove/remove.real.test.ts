import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../../../puller/clock.ts'
import { connectCluster } from '../../../puller/cluster/cluster.ts'
import { readInventory, writeInventory } from '../../../puller/plan/inventory.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { loadPullerKeys } from '../../../puller/records/keys.ts'
import { forgetDeparted } from '../../../puller/remove/departed.ts'
import { REMOVAL_MS } from '../../../puller/remove/patience.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const GROUP = '/apis/waybill.dev/v1alpha1'
const promotion = { channel: 'production', sequence: 1 }
const deliveryAt = ({ namespace }: Tenant) => `${GROUP}/namespaces/${namespace}/deliveries/app`
const mapAt = ({ namespace }: Tenant, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
/** As the clock says it once nothing is waited for any more. */
const late = { clock: { ...systemClock, nowMs: () => Date.now() + REMOVAL_MS + 60_000 } }
/** Waits no longer than this for anything. */
const impatient = {
  clock: {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 1_500), signal),
  },
}
const annotated = (name: string, annotations: Record<string, string>) => ({
  ...configMap(name, {}),
  metadata: { name, annotations },
})
const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { ports: [{ port: 80 }] },
})
async function delivered(objects: Parameters<Tenant['release']>[1], spec: object = {}): Promise<Tenant> {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', objects), { promotion })
  await tenant.deliver({ deletion: 'delete', ...spec })
  await tenant.run({ waitTimeoutMs: 1_000 })
  return tenant
}

const remove = async (tenant: Tenant) => void (await world.plane.api('DELETE', deliveryAt(tenant)))
const status = async (path: string) => (await world.plane.api('GET', path)).status
const isGone = async (tenant: Tenant) => (await status(deliveryAt(tenant))) === 404
const shards = async ({ namespace }: Tenant) => {
  const { body } = await world.plane.api('GET', `${GROUP}/namespaces/${namespace}/deliveryinventories`)
  const items = field(body, 'items')
  return Array.isArray(items) ? items.length : -1
}
const finalizers = async (tenant: Tenant) => field(await tenant.delivery(), 'metadata', 'finalizers')
const listed = (tenant: Tenant, record: Awaited<ReturnType<Tenant['records']>>[number] | undefined) =>
  record?.changes?.listed.map(({ action, object }) => `${action} ${object.replace(`${tenant.namespace}/`, '')}`)

test('with deletion: delete all goes in reverse order, is recorded, and the Delivery goes last', async () => {
  const tenant = await delivered([
    configMap('config', {}),
    service('web'),
    { ...service('late'), metadata: { name: 'late', annotations: { 'waybill.dev/wave': '2' } } },
  ])
  await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/configmaps`, { body: configMap('foreign', {}) })
  assert.deepEqual(await finalizers(tenant), ['waybill.dev/removal'])
  const mark = await world.plane.auditMark()
  await remove(tenant)
  assert.equal(await isGone(tenant), false, 'it is held back')
  await tenant.run()
  assert.equal(await isGone(tenant), true)
  const events = (await world.plane.auditSince(mark)).filter(({ requestURI }) => !requestURI.includes('dryRun'))
  const first = events.findIndex(({ verb, objectRef }) => verb === 'delete' && objectRef?.name === 'late')
  const intent = events.findIndex(
    ({ verb, objectRef }) => verb === 'create' && objectRef?.resource === 'deliveryrecords',
  )
  assert.ok(intent >= 0 && intent < first, 'the Intent is written before anything is deleted')
  const deleted = events
    .filter(({ verb }) => verb === 'delete')
    .flatMap(({ objectRef }) => (objectRef?.namespace === tenant.namespace ? [objectRef.name] : []))
    .filter((name) => name !== 'app')
  assert.deepEqual(deleted.slice(0, 3), ['late', 'web', 'config'])
  assert.equal(await status(mapAt(tenant, 'foreign')), 200)
  assert.equal(await shards(tenant), 0)
  const records = await tenant.records()
  assert.deepEqual(
    records.slice(-2).map(({ kind, trigger }) => `${kind} ${trigger.type}`),
    ['Intent deletion', 'Removed deletion'],
  )
  assert.deepEqual(listed(tenant, records.at(-1)), [
    'delete ConfigMap config',
    'delete Service late',
    'delete Service web',
  ])
  assert.equal(records.at(-1)?.intent, records.at(-2)?.sequence)
})

test('what is annotated stays, unless a person confirmed that it is deleted with the Delivery', async () => {
  const objects = [
    annotated('asks', { 'waybill.dev/prune': 'confirm' }),
    annotated('never', { 'waybill.dev/prune': 'never' }),
    configMap('plain', {}),
  ]
  const kept = await delivered(objects)
  await remove(kept)
  await kept.run()
  assert.equal(await isGone(kept), true)
  for (const [name, code] of [
    ['asks', 200],
    ['never', 200],
    ['plain', 404],
  ] as const)
    assert.equal(await status(mapAt(kept, name)), code, name)
  const record = (await kept.records()).at(-1)
  assert.deepEqual(listed(kept, record), ['forget ConfigMap asks', 'forget ConfigMap never', 'delete ConfigMap plain'])
  assert.match(record?.trigger.reason ?? '', /2 kept/)
  const confirmed = await delivered(objects)
  const living = await confirmed.delivery()
  const value = `delete ${field(living, 'metadata', 'uid')} ${field(living, 'status', 'applied', 'digest')}`
  await confirmed.annotate({ 'waybill.dev/confirm': value })
  await remove(confirmed)
  await confirmed.run()
  assert.equal(await status(mapAt(confirmed, 'asks')), 404)
  assert.equal(await status(mapAt(confirmed, 'never')), 200)
})

test('a missing service account holds it back for a while, says so, and then what is there is left and named', async () => {
  const tenant = await delivered([configMap('greeting', {})])
  const account = `/api/v1/namespaces/${tenant.namespace}/serviceaccounts/waybill`
  await world.plane.api('DELETE', account)
  await remove(tenant)
  const said = await tenant.run()
  assert.equal(said.reason, 'ACCOUNT_MISSING', said.message)
  assert.match(said.message, /is left where it is/)
  assert.equal(await isGone(tenant), false)
  assert.equal(await status(mapAt(tenant, 'greeting')), 200)
  await tenant.run(late)
  assert.equal(await isGone(tenant), true)
  assert.equal(await status(mapAt(tenant, 'greeting')), 200)
  const record = (await tenant.records()).at(-1)
  assert.equal(record?.kind, 'Removed')
  assert.equal(record?.error?.code, 'REMOVAL_INCOMPLETE')
  assert.deepEqual(
    record?.error?.objects?.map(({ object, code }) => `${code} ${object}`),
    [`ACCOUNT_MISSING ConfigMap ${tenant.namespace}/greeting`],
  )
})

test('an API group that does not answer holds it back for a while, and its objects are left and named', async () => {
  const tenant = await delivered([configMap('config', {})])
  const { namespace } = tenant
  const group = 'down.example.com'
  const service = `/apis/apiregistration.k8s.io/v1/apiservices`
  await world.plane.api('POST', service, {
    body: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: 'v1',
        groupPriorityMinimum: 10,
        versionPriority: 10,
        insecureSkipTLSVerify: true,
        service: { name: 'nobody', namespace, port: 443 },
      },
    },
  })
  await world.plane.eventually('the group is down', async () => (await status(`/apis/${group}/v1`)) === 503)
  const cluster = connectCluster({ kubeconfig: world.kubeconfig })
  try {
    const delivery = { namespace, name: 'app', uid: String(field(await tenant.delivery(), 'metadata', 'uid')) }
    const inventory = await readInventory(cluster, delivery)
    const held = { group, kind: 'Gadget', namespace, name: 'old', uid: 'u', state: 'created' } as const
    await writeInventory(cluster, delivery, inventory, [...inventory.entries.values(), held])
  } finally {
    await cluster.close()
  }
  await remove(tenant)
  const said = await tenant.run()
  assert.equal(said.reason, 'CLUSTER_FAILED', said.message)
  assert.equal(await status(mapAt(tenant, 'config')), 200, 'nothing goes before it')
  await tenant.run(late)
  await world.plane.api('DELETE', `${service}/v1.${group}`)
  assert.equal(await isGone(tenant), true)
  assert.equal(await status(mapAt(tenant, 'config')), 404)
  const left = (await tenant.records()).at(-1)?.error?.objects
  assert.deepEqual(
    left?.map(({ object }) => object),
    [`Gadget.${group} ${namespace}/old`],
  )
})

test('an object that does not let go holds the rest back for a while only, group by group', async () => {
  const stuck = { ...service('stuck'), metadata: { name: 'stuck', finalizers: ['example.com/never'] } }
  const tenant = await delivered([stuck, configMap('config', {})])
  await remove(tenant)
  const said = await tenant.run(impatient)
  assert.match(said.message, /example\.com\/never/)
  assert.equal(await status(mapAt(tenant, 'config')), 200, 'its turn has not come')
  await tenant.run(late)
  assert.equal(await isGone(tenant), true)
  assert.equal(await status(mapAt(tenant, 'config')), 404)
  const record = (await tenant.records()).at(-1)
  assert.match(record?.error?.objects?.[0]?.message ?? '', /example\.com\/never/)
})

test('with deletion: orphan, also where that was said after the deletion, everything stays', async () => {
  const plain = await delivered([configMap('greeting', {})], { deletion: 'orphan' })
  assert.equal(await finalizers(plain), undefined)
  await remove(plain)
  assert.equal(await isGone(plain), true)
  const changed = await delivered([configMap('greeting', {})])
  await remove(changed)
  await changed.deliver({ deletion: 'orphan' })
  await changed.run()
  assert.equal(await isGone(changed), true)
  for (const tenant of [plain, changed]) assert.equal(await status(mapAt(tenant, 'greeting')), 200)
})

test('what a Delivery that went without us leaves behind of ours is recorded and forgotten, and no living one’s is', async () => {
  const living = await delivered([configMap('greeting', {})], { deletion: 'orphan' })
  const gone = await delivered([configMap('greeting', {})], { deletion: 'orphan' })
  await remove(gone)
  const cluster = connectCluster({ kubeconfig: world.kubeconfig })
  try {
    const keys = await loadPullerKeys(cluster, PULLER_NAMESPACE)
    const { publicPem } = keys
    const heads = new HeadKeeper(cluster, { namespace: PULLER_NAMESPACE, publicPem, clock: systemClock })
    const site = { cluster, clock: systemClock, keys, heads, log: { warn: assert.fail } }
    await forgetDeparted(site, new Set())
    await forgetDeparted(site, new Set())
  } finally {
    await cluster.close()
  }
  assert.deepEqual([await shards(gone), await shards(living)], [0, 1])
  const records = await gone.records()
  assert.deepEqual(
    records.map(({ kind }) => kind),
    ['Intent', 'Applied', 'Removed'],
  )
  assert.deepEqual(listed(gone, records.at(-1)), ['forget ConfigMap greeting'])
  assert.equal(await status(mapAt(gone, 'greeting')), 200)
})

test('a Delivery that goes back to orphan is held back no longer', async () => {
  const tenant = await delivered([configMap('greeting', {})])
  await tenant.deliver({ deletion: 'orphan' })
  await tenant.run()
  assert.equal(await finalizers(tenant), undefined)
})

test('a namespace that ends is not kept from ending', async () => {
  const tenant = await delivered([configMap('greeting', {})])
  await world.plane.api('DELETE', `/api/v1/namespaces/${tenant.namespace}`)
  await remove(tenant)
  await tenant.run()
  assert.equal(await isGone(tenant), true)
})
