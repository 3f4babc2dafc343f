import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../contract/digest.ts'
import { attested, bundlesFor, configMap, newSigningKey, promotionBundle, release } from './release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const objects = [configMap('greeting', { hello: 'world' })]
const channel = 'production'

/** Runs the puller and expects a refusal: its code in the status and in a record, and no write to anything of the user's. */
async function refused(tenant: Tenant, code: string, records = 'Refused'): Promise<void> {
  const mark = await world.plane.auditMark()
  const said = await tenant.run()
  assert.equal(said.reason, code, said.message)
  assert.equal(said.ready, false)
  assert.equal(await tenant.kinds(), records)
  assert.equal((await tenant.records()).at(-1)?.error?.code, code)
  assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
  const again = await tenant.run()
  assert.equal(again.reason, code)
  assert.equal(await tenant.kinds(), records, 'the second look says nothing new')
}

describe('refused, recorded, and not one write to the user’s objects:', () => {
  test('no TrustPolicy covers the repository', async () => {
    const tenant = await world.tenant({ policy: null })
    tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
    await tenant.deliver()
    const before = world.registry.requests.length
    await refused(tenant, 'POLICY_MISSING')
    assert.equal(world.registry.requests.length, before, 'nobody was asked')
  })

  test('a mirror that the policy does not name', async () => {
    const tenant = await world.tenant()
    const { host } = world.registry
    const [home, copies] = ['home.example.com/acme/shop', `${host}/copies/**`]
    await tenant.setPolicy({ repositories: ['home.example.com/**'], mirrors: [copies] })
    await tenant.deliver({ source: { repository: `${host}/elsewhere/shop`, mirrorOf: home, channel } })
    const before = world.registry.requests.length
    await refused(tenant, 'MIRROR_UNTRUSTED')
    assert.equal(world.registry.requests.length, before, 'nobody was asked')
    await tenant.deliver({ source: { repository: `${host}/copies/shop`, mirrorOf: home, channel } })
    assert.equal((await tenant.run()).reason, 'REGISTRY_NOT_FOUND')
    assert.ok(world.registry.requests.length > before, 'the one that it names was asked')
  })

  test('signed with another key', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { key: newSigningKey(), promotion: { channel, sequence: 1 } })
    await tenant.deliver()
    await refused(tenant, 'SIGNER_UNTRUSTED')
  })

  test('not signed at all', async () => {
    const tenant = await world.tenant()
    tenant.put(tenant.release('1', objects), [], 'production')
    await tenant.deliver()
    await refused(tenant, 'SIGNATURE_MISSING')
  })

  test('a statement of another type by the trusted key in the place of the signature', async () => {
    const tenant = await world.tenant()
    const packed = tenant.release('1', objects)
    const [, ...others] = bundlesFor(packed, world.key, { promotion: { channel, sequence: 1 } })
    tenant.put(packed, others, 'production')
    await tenant.deliver()
    await refused(tenant, 'PREDICATE_UNEXPECTED')
  })

  test('the signature of another artifact', async () => {
    const tenant = await world.tenant()
    const packed = tenant.release('1', objects)
    const [, ...others] = bundlesFor(packed, world.key, { promotion: { channel, sequence: 1 } })
    tenant.put(packed, [attested(world.key, digestOf('another'), 'signature', {})], 'production')
    void others
    await tenant.deliver()
    await refused(tenant, 'SUBJECT_MISMATCH')
  })

  for (const [what, provenance, code] of [
    ['another repository', { repository: 'https://git.example.com/acme/fork' }, 'PROVENANCE_SOURCE'],
    ['another ref', { ref: 'refs/heads/feature' }, 'PROVENANCE_REF'],
    ['another builder', { builderId: 'https://ci.example.com/builders/laptop' }, 'PROVENANCE_BUILDER'],
  ] as const)
    test(`provenance of ${what}`, async () => {
      const tenant = await world.tenant()
      tenant.publish(tenant.release('1', objects), { provenance, promotion: { channel, sequence: 1 } })
      await tenant.deliver()
      await refused(tenant, code)
    })

  test('another package under the same key', async () => {
    const tenant = await world.tenant()
    const foreign = release(`${world.registry.host}/${tenant.namespace}/other`, '1', objects)
    const promotion = { channel, sequence: 1 }
    const shops = tenant.release('1', objects)
    // The promotion is rewritten to speak of this package, so that only the artifact's own words are left to refuse it.
    const said = bundlesFor(foreign, world.key)
    tenant.put(
      foreign,
      [...said, promotionBundle({ ...foreign, release: shops.release }, world.key, promotion)],
      channel,
    )
    await tenant.deliver()
    await refused(tenant, 'PACKAGE_MISMATCH')
  })

  test('a tag that points at what nobody promoted', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects))
    await tenant.deliver()
    await refused(tenant, 'PROMOTION_MISSING')
  })

  test('a promotion into another channel', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { promotion: { channel: 'staging', sequence: 1 } })
    await tenant.deliver()
    await refused(tenant, 'PROMOTION_MISSING')
  })

  test('a version that was seen at another digest', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { version: '1.0.0', promotion: { channel, sequence: 1 } })
    await tenant.deliver()
    assert.equal((await tenant.run()).ready, true)
    const moved = tenant.release('2', [configMap('greeting', { hello: 'mars' })])
    tenant.publish(moved, { version: '1.0.0', promotion: { channel, sequence: 2 } })
    await refused(tenant, 'VERSION_MOVED', 'Intent Applied Refused')
  })

  test('a tag that went back to an older promotion', async () => {
    const tenant = await world.tenant()
    const first = tenant.release('1', objects)
    tenant.publish(first, { promotion: { channel, sequence: 1 } })
    await tenant.deliver()
    await tenant.run()
    const second = tenant.release('2', [configMap('greeting', { hello: 'mars' })])
    tenant.publish(second, { promotion: { channel, sequence: 2 } })
    assert.equal((await tenant.run()).ready, true)
    world.registry.tag(`${tenant.namespace}/shop`, first.digest, 'production')
    await refused(tenant, 'PROMOTION_REPLAYED', 'Intent Applied Intent Applied Refused')
  })

  test('a promotion number that another digest carried', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
    await tenant.deliver()
    await tenant.run()
    const second = tenant.release('2', [configMap('greeting', { hello: 'mars' })])
    tenant.publish(second, { promotion: { channel, sequence: 1 } })
    await refused(tenant, 'PROMOTION_SEQUENCE_REUSED', 'Intent Applied Refused')
  })

  test('an environment that the artifact does not have', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
    await tenant.deliver({ environment: 'staging' })
    await refused(tenant, 'ENVIRONMENT_UNKNOWN')
  })

  test('a service account that does not exist', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
    await world.plane.api('DELETE', `/api/v1/namespaces/${tenant.namespace}/serviceaccounts/waybill`)
    await tenant.deliver()
    await refused(tenant, 'ACCOUNT_MISSING')
  })

  test('a pull secret that is not there', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
    const { repository } = tenant
    await tenant.deliver({ source: { repository, channel, pullSecret: { name: 'none' } } })
    await refused(tenant, 'SECRET_INVALID')
  })
})

test('an empty environment is refused until a person confirms what would be deleted', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', objects), { promotion: { channel, sequence: 1 } })
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  await tenant.run()
  const empty = tenant.release('2', [])
  tenant.publish(empty, { promotion: { channel, sequence: 2 } })
  await refused(tenant, 'ENVIRONMENT_EMPTY', 'Intent Applied Refused')
  const path = `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
  assert.equal((await tenant.get(path)).status, 200)
  await tenant.annotate({ 'waybill.dev/confirm': empty.digest })
  assert.equal((await tenant.run()).ready, false)
  const ready = await tenant.condition('Ready')
  const [, told = ''] = /waybill\.dev\/confirm=(sha256:\w+)`/.exec(String(ready?.message)) ?? []
  await tenant.annotate({ 'waybill.dev/confirm': told })
  assert.equal((await tenant.run()).ready, true)
  assert.equal((await tenant.get(path)).status, 404)
})
