import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'fflate'
import { writeManifest } from '../../contract/artifact/artifact.ts'
import { writeTar } from '../../contract/artifact/tar.ts'
import { digestOf } from '../../contract/digest.ts'
import { field } from '../real/control-plane.ts'
import { bundlesFor, configMap, deployment, newSigningKey, promotionBundle } from './release-fixture.ts'
import { notAsAccount, startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

let world: World
let beginning = 0
before(async () => {
  world = await startWorld()
  beginning = await world.plane.auditMark()
})
after(async () => {
  await world?.stop()
})

const channel = 'production'
const greeting = (hello: string) => configMap('greeting', { hello })
const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')

/** A tenant whose first release says hello to the world, published and applied. */
async function delivered(spec: Record<string, unknown> = {}) {
  const tenant = await world.tenant()
  const first = tenant.release('1', [greeting('world'), configMap('old', { k: 'v' })])
  tenant.publish(first, { version: '1.0.0', promotion: { channel, sequence: 1 } })
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 }, ...spec })
  const said = await tenant.run()
  assert.equal(said.ready, true, `${said.reason}: ${said.message}`)
  return { tenant, first }
}

async function editByHand(tenant: Tenant, data: Record<string, string>, name = 'greeting'): Promise<void> {
  const contentType = 'application/merge-patch+json'
  const path = `${at(tenant, name)}?fieldManager=somebody`
  const { status } = await world.plane.api('PATCH', path, { body: { data }, contentType })
  assert.equal(status, 200)
}

test('a promoted release is applied, healthy and recorded, and looking again writes nothing at all', async () => {
  const { tenant, first } = await delivered()
  assert.equal(await hello(tenant), 'world')
  assert.equal(await tenant.kinds(), 'Intent Applied')
  const [intent, applied] = await tenant.records()
  assert.equal(intent?.changes?.total, 2)
  assert.deepEqual(applied?.changes, intent?.changes)
  assert.equal(applied?.digest, first.digest)
  assert.equal(applied?.version, '1.0.0')
  assert.equal(applied?.treeDigest, first.release.environments.production?.treeDigest)
  assert.equal(applied?.revision, first.release.source.revision)
  assert.deepEqual(applied?.promotion, { channel, sequence: 1 })
  assert.deepEqual(applied?.signers?.map(({ role }) => role).sort(), [
    'promotion',
    'provenance',
    'release',
    'signature',
  ])
  assert.equal(applied?.trigger.by, 'person')
  const delivery = await tenant.delivery()
  assert.equal(field(delivery, 'status', 'applied', 'digest'), first.digest)
  assert.equal(field(delivery, 'status', 'lastRecord', 'sequence'), 2)
  assert.equal(field(delivery, 'status', 'observedGeneration'), 1)
  const applySet = field((await tenant.get(at(tenant))).body, 'metadata', 'labels', 'applyset.kubernetes.io/part-of')
  const inventories = `/apis/waybill.dev/v1alpha1/deliveryinventories?labelSelector=waybill.dev/applyset=${applySet}`
  const owning = field((await world.plane.api('GET', inventories)).body, 'items')
  assert.deepEqual(
    Array.isArray(owning) ? owning.map((one) => field(one, 'spec', 'delivery', 'name')) : owning,
    ['app'],
    'the label of a member leads to its Delivery',
  )
  const mark = await world.plane.auditMark()
  await tenant.run()
  const writes = (await world.plane.auditSince(mark)).filter(
    ({ verb, requestURI }) =>
      verb !== 'get' && verb !== 'list' && verb !== 'watch' && !/dryRun=All|selfsubject/.test(requestURI),
  )
  assert.deepEqual(writes, [])
})

test('the next release changes what differs, deletes what it no longer has, and leaves alone what it never made', async () => {
  const { tenant } = await delivered()
  const foreign = { ...configMap('foreign', {}), metadata: { name: 'foreign' } }
  await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/configmaps`, { body: foreign })
  tenant.publish(tenant.release('2', [greeting('mars')]), {
    promotion: { channel, sequence: 2, reason: 'mars is nice' },
  })
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'mars')
  assert.equal((await tenant.get(at(tenant, 'old'))).status, 404)
  assert.equal((await tenant.get(at(tenant, 'foreign'))).status, 200)
  const last = (await tenant.records()).at(-1)
  assert.deepEqual(last?.trigger, { type: 'source', generation: 1, reason: 'mars is nice' })
  assert.deepEqual(last?.changes?.listed.map(({ action, object }) => `${action} ${object}`).sort(), [
    `configure ConfigMap ${tenant.namespace}/greeting`,
    `delete ConfigMap ${tenant.namespace}/old`,
  ])
})

test('a release that changes nothing in this environment writes nothing, and is recorded as unchanged', async () => {
  const { tenant } = await delivered()
  const objects = [greeting('world'), configMap('old', { k: 'v' })]
  const second = tenant.release('2', [], { environments: { production: objects, staging: [greeting('staging')] } })
  tenant.publish(second, { version: '1.1.0', promotion: { channel, sequence: 2 } })
  const mark = await world.plane.auditMark()
  assert.equal((await tenant.run()).ready, true)
  assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
  assert.equal(await tenant.kinds(), 'Intent Applied Unchanged')
  assert.equal(field(await tenant.delivery(), 'status', 'applied', 'version'), '1.1.0')
})

test('what was changed or deleted by hand is put back at the interval, and who did it is told', async () => {
  const { tenant } = await delivered()
  await editByHand(tenant, { hello: 'nobody' })
  await world.plane.api('DELETE', at(tenant, 'old'))
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'world')
  assert.equal((await tenant.get(at(tenant, 'old'))).status, 200)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent DriftCorrected')
  const drift = field(await tenant.delivery(), 'status', 'drift')
  assert.equal(field(drift, 'objects'), 2)
  assert.equal(field(drift, 'listed', 0, 'manager'), 'somebody')
  await tenant.run()
  assert.equal(field(await tenant.delivery(), 'status', 'drift'), undefined)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent DriftCorrected')
})

test('a hold goes back to an older release and stays there, drift repair included, until it is lifted', async () => {
  const { tenant, first } = await delivered()
  const second = tenant.release('2', [greeting('mars')])
  tenant.publish(second, { version: '2.0.0', promotion: { channel, sequence: 2 } })
  await tenant.run()
  await tenant.deliver({
    prune: { enabled: true, maxPercent: 100 },
    hold: { digest: first.digest, reason: 'it broke' },
  })
  const held = await tenant.run()
  assert.deepEqual([held.ready, held.reason], [true, 'Held'])
  assert.equal(await hello(tenant), 'world')
  tenant.publish(tenant.release('3', [greeting('venus')]), { promotion: { channel, sequence: 3 } })
  await editByHand(tenant, { hello: 'nobody' })
  await tenant.run()
  assert.equal(await hello(tenant), 'world')
  const records = await tenant.records()
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Applied Intent RolledBack Intent DriftCorrected')
  assert.deepEqual(records[5]?.trigger, { type: 'hold', generation: 2, by: 'person', reason: 'it broke' })
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'venus')
  const last = (await tenant.records()).at(-1)
  assert.deepEqual([last?.kind, last?.trigger.type], ['Applied', 'unhold'])
})

test('promoting the older release again goes back for everybody who follows the channel', async () => {
  const { tenant, first } = await delivered()
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
  await tenant.run()
  tenant.put(first, [promotionBundle(first, world.key, { channel, sequence: 3, reason: 'back' })], channel)
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'world')
  const last = (await tenant.records()).at(-1)
  assert.deepEqual([last?.kind, last?.trigger.reason, last?.promotion?.sequence], ['RolledBack', 'back', 3])
})

describe('with the registry gone', () => {
  const gone = () => {
    for (const method of ['GET', 'HEAD']) world.registry.when(method, /./).hangUp()
  }
  after(() => world.registry.behave())

  test('what runs is kept in shape, is said to be well, and the trouble is told', async () => {
    const { tenant } = await delivered()
    await editByHand(tenant, { hello: 'nobody' })
    gone()
    const said = await tenant.run()
    world.registry.behave()
    assert.equal(said.ready, true, `${said.reason}: ${said.message}`)
    assert.equal(await hello(tenant), 'world')
    assert.equal((await tenant.condition('Verified'))?.reason, 'REGISTRY_UNREACHABLE')
    assert.equal(await tenant.kinds(), 'Intent Applied Intent DriftCorrected')
  })

  test('a new puller rolls back to a release that ran here', async () => {
    const { tenant, first } = await delivered()
    tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
    await tenant.run()
    gone()
    await tenant.deliver({ hold: { digest: first.digest } })
    const said = await tenant.run()
    world.registry.behave()
    assert.equal(said.ready, true, `${said.reason}: ${said.message}`)
    assert.equal(await hello(tenant), 'world')
    assert.equal((await tenant.records()).at(-1)?.kind, 'RolledBack')
  })

  test('nothing that never ran here is applied', async () => {
    const { tenant } = await delivered()
    gone()
    await tenant.deliver({ hold: { digest: digestOf('never seen') } })
    const said = await tenant.run()
    world.registry.behave()
    assert.deepEqual([said.ready, said.reason], [false, 'REGISTRY_UNREACHABLE'])
    assert.equal(await hello(tenant), 'world')
  })
})

describe('when trust changes', () => {
  test('a retired key is good for repair and rollback of what ran here, and not for anything new', async () => {
    const { tenant, first } = await delivered()
    tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
    await tenant.run()
    await tenant.setPolicy({ state: 'retired' })
    await editByHand(tenant, { hello: 'nobody' })
    assert.equal((await tenant.run()).ready, true)
    assert.equal(await hello(tenant), 'mars')
    await tenant.deliver({ hold: { digest: first.digest } })
    assert.equal((await tenant.run()).ready, true)
    assert.equal(await hello(tenant), 'world')
    await tenant.deliver()
    tenant.publish(tenant.release('3', [greeting('venus')]), { promotion: { channel, sequence: 3 } })
    await editByHand(tenant, { hello: 'nobody' })
    const said = await tenant.run()
    assert.deepEqual([said.ready, said.reason], [false, 'SIGNER_RETIRED'])
    assert.equal(await hello(tenant), 'world', 'what ran before is kept in shape')
  })

  for (const [what, code, change] of [
    ['a revoked key', 'SIGNER_REVOKED', (tenant: Tenant) => tenant.setPolicy({ state: 'revoked' })],
    ['a deleted policy', 'POLICY_MISSING', (tenant: Tenant) => tenant.deletePolicy()],
    [
      'a policy that asks for another key',
      'SIGNER_UNTRUSTED',
      (tenant: Tenant) => tenant.setPolicy({ key: newSigningKey() }),
    ],
  ] as const)
    test(`${what} stops all writes, drift repair included, is told once, and deletes nothing`, async () => {
      const { tenant } = await delivered()
      await change(tenant)
      await editByHand(tenant, { hello: 'nobody' })
      const mark = await world.plane.auditMark()
      for (let i = 0; i < 2; i++) {
        const said = await tenant.run()
        assert.deepEqual([said.ready, said.reason], [false, code])
      }
      assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
      assert.equal(await hello(tenant), 'nobody')
      assert.equal(await tenant.kinds(), 'Intent Applied TrustChanged')
      assert.equal((await tenant.records()).at(-1)?.error?.code, code)
      await tenant.setPolicy({})
      assert.equal((await tenant.run()).ready, true)
      assert.equal(await hello(tenant), 'world')
    })
})

test('with nothing trusted any more, the new release is refused, and the one that runs is not touched either', async () => {
  const { tenant } = await delivered()
  tenant.publish(tenant.release('2', [greeting('mars')]), { promotion: { channel, sequence: 2 } })
  await tenant.deletePolicy()
  await editByHand(tenant, { hello: 'nobody' })
  for (let i = 0; i < 2; i++) assert.equal((await tenant.run()).reason, 'POLICY_MISSING')
  assert.equal(await hello(tenant), 'nobody')
  assert.equal(await tenant.kinds(), 'Intent Applied Refused TrustChanged')
})

test('a release that the plan refuses leaves the one before in place, and drift in it is still put back', async () => {
  const { tenant } = await delivered()
  const theirs = `/api/v1/namespaces/${tenant.namespace}/configmaps`
  await world.plane.api('POST', theirs, { body: { metadata: { name: 'theirs' }, data: { of: 'somebody' } } })
  const second = tenant.release('2', [greeting('mars'), configMap('theirs', { of: 'us' })])
  tenant.publish(second, { promotion: { channel, sequence: 2 } })
  await editByHand(tenant, { hello: 'nobody' })
  for (let i = 0; i < 2; i++) {
    const said = await tenant.run()
    assert.deepEqual([said.ready, said.reason], [false, 'OBJECT_OWNED'])
  }
  assert.equal(await hello(tenant), 'world')
  assert.equal(field((await tenant.get(at(tenant, 'theirs'))).body, 'data', 'of'), 'somebody')
  assert.equal(await tenant.kinds(), 'Intent Applied Refused Intent DriftCorrected')
  const refusal = (await tenant.records())[2]
  assert.equal(refusal?.digest, second.digest)
  assert.deepEqual(
    refusal?.error?.objects?.map(({ object }) => object),
    [`ConfigMap ${tenant.namespace}/theirs`],
  )
})

describe('a registry that', () => {
  for (const [what, code, misbehave] of [
    [
      'truncates the layer',
      'REGISTRY_FAILED|REGISTRY_UNREACHABLE',
      (_: RegExp) => world.registry.when('GET', /blobs/).truncate(),
    ],
    [
      'stalls halfway',
      'REGISTRY_UNREACHABLE|REGISTRY_FAILED',
      (_: RegExp) => world.registry.when('GET', /blobs/).stallHalfway(),
    ],
    ['asks for a login', 'REGISTRY_AUTH', (its: RegExp) => world.registry.when('GET', its).status(401)],
    ['has lost the manifest', 'REGISTRY_NOT_FOUND', (its: RegExp) => world.registry.when('GET', its).status(404)],
    ['asks to come back later', 'REGISTRY_RATE_LIMITED', (its: RegExp) => world.registry.when('GET', its).status(429)],
    ['answers with an error', 'REGISTRY_FAILED', (its: RegExp) => world.registry.when('GET', its).status(500)],
    [
      'sends other bytes',
      'DIGEST_MISMATCH',
      (its: RegExp) => world.registry.when('GET', its).lie('{"schemaVersion":2}'),
    ],
    [
      'sends readers elsewhere',
      'REGISTRY_REDIRECT',
      (its: RegExp) => world.registry.when('GET', its).redirect('http://169.254.169.254/'),
    ],
  ] as const)
    test(`${what} gets one clear error, and nothing is written`, async () => {
      const tenant = await world.tenant()
      const packed = tenant.release(what, [greeting('world')])
      tenant.publish(packed, { promotion: { channel, sequence: 1 } })
      await tenant.deliver()
      const mark = await world.plane.auditMark()
      misbehave(new RegExp(`/manifests/${packed.digest}`))
      const said = await tenant.run({ registryIdleMs: 500 })
      world.registry.behave()
      assert.equal(said.ready, false)
      assert.match(said.reason, new RegExp(`^(?:${code})$`), said.message)
      assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
      assert.equal((await tenant.run()).ready, true, 'and when it is well again, so is the release')
    })
})

test('a layer with more in it than the config lists is refused whole, though it is signed', async () => {
  const tenant = await world.tenant()
  const honest = tenant.release('1', [greeting('world')])
  const layer = gzipSync(writeTar([{ path: '../../etc/cron.d/evil', bytes: Buffer.from('{}') }]), { mtime: 0 })
  const manifest = writeManifest(honest.release, honest.config, layer)
  const hostile = { ...honest, layer, manifest, digest: digestOf(manifest) }
  tenant.put(hostile, bundlesFor(hostile, world.key, { promotion: { channel, sequence: 1 } }), channel)
  await tenant.deliver()
  const said = await tenant.run()
  assert.equal(said.reason, 'LAYER_INVALID', said.message)
  assert.equal(await tenant.kinds(), 'Refused')
  assert.equal((await tenant.get(at(tenant))).status, 404)
})

test('a cache folder that cannot be written is one clear error, and nothing is applied', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world')]), { promotion: { channel, sequence: 1 } })
  await tenant.deliver()
  const said = await tenant.run({ cacheDir: '/dev/null/cache' })
  assert.equal(said.reason, 'DISK_FAILED', said.message)
  assert.equal(await tenant.kinds(), '')
  assert.equal((await tenant.get(at(tenant))).status, 404)
  assert.equal((await tenant.run()).ready, true)
})

test('records that somebody removed stop all writes, until a person accepts what is left', async () => {
  const { tenant } = await delivered()
  const records = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveryrecords`
  const newest = String(field(await tenant.delivery(), 'status', 'lastRecord', 'name'))
  // Not even a cluster admin may, while the admission policy stands; one who takes it away can.
  const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'
  const bindings = field((await world.plane.api('GET', policies)).body, 'items')
  assert.notEqual((await world.plane.api('DELETE', `${records}/${newest}`)).status, 200)
  for (const binding of Array.isArray(bindings) ? bindings : [])
    await world.plane.api('DELETE', `${policies}/${field(binding, 'metadata', 'name')}`)
  await world.plane.eventually(
    'the record can be removed',
    async () => (await world.plane.api('DELETE', `${records}/${newest}`)).status === 200,
  )
  for (const binding of Array.isArray(bindings) ? bindings : []) {
    const body = { ...Object(binding), metadata: { name: field(binding, 'metadata', 'name') } }
    await world.plane.api('POST', policies, { body })
  }
  await editByHand(tenant, { hello: 'nobody' })
  const said = await tenant.run()
  assert.deepEqual([said.ready, said.reason], [false, 'RECORD_CHAIN_BROKEN'])
  assert.equal(await hello(tenant), 'nobody')
  const head = String(field(await tenant.delivery(), 'status', 'lastRecord', 'hash'))
  await tenant.annotate({ 'waybill.dev/confirm': head })
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'world')
})

test('looking at a Delivery with nothing to do costs few requests, and two for each object', async () => {
  const { tenant } = await delivered()
  await tenant.run()
  const mark = await world.plane.auditMark()
  await tenant.run()
  const account = `system:serviceaccount:${tenant.namespace}:waybill`
  const events = (await world.plane.auditSince(mark)).filter(
    ({ requestURI, impersonatedUser }) =>
      requestURI.includes(tenant.namespace) || impersonatedUser?.username === account,
  )
  const requests = events.map(({ verb, requestURI }) => `${verb} ${requestURI}`)
  assert.ok(requests.length <= 6 + 2 * 2, requests.join('\n'))
})

test('every request about what is not the puller’s own was made as the Delivery’s service account', async () => {
  const tenant = await world.tenant()
  const { namespace, repository } = tenant
  const config = { auths: { [world.registry.host]: { auth: Buffer.from('puller:horse').toString('base64') } } }
  const stringData = { '.dockerconfigjson': JSON.stringify(config) }
  const pull = { metadata: { name: 'pull' }, type: 'kubernetes.io/dockerconfigjson', stringData }
  await world.plane.api('POST', `/api/v1/namespaces/${namespace}/secrets`, { body: pull })
  const web = deployment('web')
  tenant.publish(tenant.release('1', [greeting('world'), configMap('old', {}), web]), {
    promotion: { channel, sequence: 1 },
  })
  await tenant.deliver({ source: { repository, channel, pullSecret: { name: 'pull' } } })
  await tenant.run({ waitTimeoutMs: 500 })
  tenant.publish(tenant.release('2', [greeting('mars'), web]), { promotion: { channel, sequence: 2 } })
  await tenant.deliver({ source: { repository, channel, pullSecret: { name: 'pull' } }, prune: { maxPercent: 100 } })
  await tenant.run({ waitTimeoutMs: 500 })
  assert.equal((await tenant.get(at(tenant, 'old'))).status, 404)
  const events = await world.plane.auditSince(beginning)
  const account = `system:serviceaccount:${namespace}:waybill`
  const done = events
    .filter(({ impersonatedUser }) => impersonatedUser?.username === account)
    .map(({ verb, requestURI, objectRef }) => {
      const dry = requestURI.includes('dryRun=All') ? ' dry' : ''
      return `${verb} ${objectRef?.resource}${dry}`
    })
  for (const kind of [
    'get secrets',
    'patch configmaps dry',
    'patch configmaps',
    'delete configmaps dry',
    'delete configmaps',
    'get configmaps',
    'watch deployments',
    'create selfsubjectreviews',
  ])
    assert.ok(done.includes(kind), `${kind} is not among ${[...new Set(done)].sort().join(', ')}`)
  assert.deepEqual(notAsAccount(events), [])
  const bare = {
    verb: 'get',
    requestURI: '/x',
    user: { username: 'system:serviceaccount:waybill-system:waybill-puller' },
  }
  const secret = { ...bare, objectRef: { resource: 'secrets', namespace: 'tenant-1' } }
  assert.equal(notAsAccount([secret]).length, 1, 'this test would see one that was not')
  const other = { ...secret, impersonatedUser: { username: account } }
  assert.equal(notAsAccount([other]).length, 1, 'and one that was made as the account of another Delivery')
})
