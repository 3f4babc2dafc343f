import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { field } from '../../real/control-plane.ts'
import { configMap } from '../release-fixture.ts'
import { notAsAccount, startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld({ controllers: true })
})
after(() => world?.stop())

const status = async (path: string) => (await world.plane.api('GET', path)).status
const mapAt = ({ namespace }: Tenant, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const found = async (tenant: Tenant) => {
  const unmanaged = field(await tenant.delivery(), 'status', 'unmanaged')
  const [objects, listed, digest, unseen] = ['objects', 'listed', 'digest', 'unseen'].map((name) =>
    field(unmanaged, name),
  )
  const names = (Array.isArray(listed) ? listed : []).map((name) => String(name).replace(`${tenant.namespace}/`, ''))
  return { objects, names, digest: String(digest), unseen }
}

async function delivered(policy: 'report' | 'delete'): Promise<Tenant> {
  const tenant = await world.tenant()
  const { namespace } = tenant
  tenant.publish(tenant.release('1', [configMap('mine', {})]), { promotion: { channel: 'production', sequence: 1 } })
  for (const name of ['forgotten', 'notes'])
    await world.plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: configMap(name, {}) })
  const owner = await world.plane.api('GET', mapAt(tenant, 'forgotten'))
  const ownerReferences = [
    { apiVersion: 'v1', kind: 'ConfigMap', name: 'forgotten', uid: field(owner.body, 'metadata', 'uid') },
  ]
  await world.plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    body: { ...configMap('dependent', {}), metadata: { name: 'dependent', ownerReferences } },
  })
  await tenant.deliver({
    unmanaged: { namespaces: [namespace], policy, ignore: [{ kind: 'ConfigMap', name: 'notes' }] },
  })
  const said = await tenant.run()
  assert.equal(said.ready, true, said.message)
  return tenant
}

test('what nobody delivers is reported, asked as the account, and nothing is deleted', async () => {
  const mark = await world.plane.auditMark()
  const tenant = await delivered('report')
  const { objects, names, digest, unseen } = await found(tenant)
  assert.deepEqual([objects, names], [1, ['ConfigMap forgotten']])
  // Quotas and limit ranges, which a tenant has no right to.
  assert.ok(Array.isArray(unseen) && unseen.includes(`ResourceQuota ${tenant.namespace}`))
  assert.deepEqual(
    unseen.filter((kind) => /^(Event|DeliveryRecord|Lease)\b/.test(String(kind))),
    [],
    'kinds that are left out anyway',
  )
  assert.deepEqual(notAsAccount(await world.plane.auditSince(mark)), [])
  await tenant.annotate({ 'waybill.dev/confirm': digest })
  await tenant.run()
  assert.equal(await status(mapAt(tenant, 'forgotten')), 200, 'policy is report')
})

test('with policy: delete it is deleted once exactly what was found is confirmed, and that is recorded', async () => {
  const tenant = await delivered('delete')
  const { digest } = await found(tenant)
  await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/configmaps`, { body: configMap('late', {}) })
  await tenant.annotate({ 'waybill.dev/confirm': digest })
  await tenant.run()
  assert.equal(await status(mapAt(tenant, 'forgotten')), 200, 'there is one more than was confirmed')
  await tenant.annotate({ 'waybill.dev/confirm': (await found(tenant)).digest })
  await tenant.run()
  for (const [name, code] of [
    ['forgotten', 404],
    ['late', 404],
    ['notes', 200],
    ['mine', 200],
  ] as const)
    assert.equal(await status(mapAt(tenant, name)), code, name)
  assert.equal((await found(tenant)).objects, 0)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Removed')
  const removed = (await tenant.records()).at(-1)
  assert.deepEqual(
    removed?.changes?.listed.map(({ action, object }) => `${action} ${object.split('/')[1]}`),
    ['delete forgotten', 'delete late'],
  )
  await tenant.run()
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Removed', 'it stands beside the way of releases')
})

test('the volume claims of a StatefulSet are not told of beside it', async () => {
  const tenant = await world.tenant()
  const { namespace } = tenant
  tenant.publish(tenant.release('1', [configMap('mine', {})]), { promotion: { channel: 'production', sequence: 1 } })
  const labels = { app: 'db' }
  const made = await world.plane.api('POST', `/apis/apps/v1/namespaces/${namespace}/statefulsets`, {
    body: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'db', namespace },
      spec: {
        replicas: 1,
        serviceName: 'db',
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'db', image: 'registry.example.com/db@sha256:00' }] },
        },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      },
    },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const claim = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/data-db-0`
  for (let i = 0; i < 300 && (await status(claim)) !== 200; i++)
    await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal(await status(claim), 200, 'the controller manager made it')
  await tenant.deliver({ unmanaged: { namespaces: [namespace], policy: 'report' } })
  await tenant.run()
  const { names, unseen } = await found(tenant)
  assert.ok(!JSON.stringify(unseen).includes('PersistentVolumeClaim'), 'it may look')
  assert.deepEqual(names, ['StatefulSet.apps db'])
})
