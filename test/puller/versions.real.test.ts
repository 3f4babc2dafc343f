import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import type { Packed } from '../../packager/pack.ts'
import { runPuller } from '../../puller/puller.ts'
import { field } from '../real/control-plane.ts'
import { bundlesFor, configMap, deployment, newSigningKey } from './release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const greeting = (hello: string) => configMap('greeting', { hello })
const at = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')

/** A release whose greeting is its own version, with a signed release statement and the tag that goes with it. */
function publish(tenant: Tenant, version: string, hello = version): Packed {
  const packed = tenant.release(version, [greeting(hello)])
  tenant.publish(packed, { version, tag: version })
  return packed
}

const follow = (tenant: Tenant, version: string, more: object = {}) =>
  tenant.deliver({ source: { repository: tenant.repository, version }, environment: 'production', ...more })

async function following(range: string, ...versions: readonly string[]) {
  const tenant = await world.tenant()
  const packed = versions.map((version) => publish(tenant, version))
  await follow(tenant, range)
  const said = await tenant.run()
  assert.equal(said.ready, true, said.message)
  return { tenant, packed }
}

/** Refused with this code, once in the records and naming the tag, with what runs kept and not one write. */
async function refused(tenant: Tenant, code: string, names: RegExp, before: string): Promise<void> {
  const [mark, runs] = [await world.plane.auditMark(), await hello(tenant)]
  const said = await tenant.run()
  assert.deepEqual([said.ready, said.reason], [false, code], said.message)
  assert.match(said.message, names)
  assert.equal(await tenant.kinds(), `${before} Refused`)
  const record = (await tenant.records()).at(-1)
  assert.equal(record?.error?.code, code)
  assert.match(record?.error?.message ?? '', names)
  assert.equal((await tenant.run()).reason, code)
  assert.equal(await tenant.kinds(), `${before} Refused`, 'the second look says nothing new')
  assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
  assert.equal(await hello(tenant), runs)
}

test('the highest released version in range is delivered, then each higher one, and status and records name it', async () => {
  const { tenant } = await following('>=1.4 <2', '1.4.0', '1.10.0', '1.9.9', '2.0.0', '1.11.0-rc.1')
  assert.equal(await hello(tenant), '1.10.0')
  const next = publish(tenant, '1.10.1')
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), '1.10.1')
  const { status } = Object(await tenant.delivery())
  assert.deepEqual([status.applied.version, status.resolved.version], ['1.10.1', '1.10.1'])
  assert.equal(status.resolved.digest, next.digest)
  const applied = (await tenant.records()).at(-1)
  assert.deepEqual(applied?.release, { version: '1.10.1', range: '>=1.4 <2' })
  assert.deepEqual(
    [applied?.version, applied?.source?.version, applied?.trigger.type],
    ['1.10.1', '>=1.4 <2', 'source'],
  )
  publish(tenant, '1.9.10')
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), '1.10.1', 'a hotfix of an older line is passed over')
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Applied')
})

test('a highest version that nobody released, or somebody else, is refused by its tag, and no lower one takes its place', async () => {
  const { tenant } = await following('^1', '1.0.0')
  const packed = tenant.release('1.2.0', [greeting('evil')])
  tenant.publish(packed, { tag: '1.2.0' })
  publish(tenant, '1.1.0')
  await refused(tenant, 'RELEASE_MISSING', /:1\.2\.0/, 'Intent Applied')
  const other = tenant.release('1.3.0', [greeting('more evil')])
  tenant.publish(other, { version: '1.3.0', tag: '1.3.0', key: newSigningKey() })
  await refused(tenant, 'SIGNER_UNTRUSTED', /:1\.3\.0/, 'Intent Applied Refused')
  tenant.put(other, bundlesFor(other, world.key, { version: '1.3.0' }))
  assert.equal((await tenant.run()).ready, true, 'and when it was released, it is delivered')
  assert.equal(await hello(tenant), 'more evil')
})

test('a tag of a version nobody released, at the digest that runs, is refused, and what runs is still trusted', async () => {
  const { tenant, packed } = await following('^1', '1.0.0')
  world.registry.tag(`${tenant.namespace}/shop`, packed[0]?.digest ?? assert.fail(), '1.5.0')
  await refused(tenant, 'RELEASE_MISSING', /:1\.5\.0/, 'Intent Applied')
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${at(tenant)}?fieldManager=x`, { body: { data: { hello: 'drifted' } }, contentType })
  await tenant.run()
  assert.equal(await hello(tenant), '1.0.0', 'drift is put back')
})

test('a tag that is gone from the registry brings no older version back, until the source is edited', async () => {
  const { tenant } = await following('>=1', '1.4.0', '1.5.0')
  world.registry.untag(`${tenant.namespace}/shop`, '1.5.0')
  await refused(tenant, 'VERSION_REPLAYED', /1\.4\.0.*1\.5\.0/, 'Intent Applied')
  await follow(tenant, '>=1', { interval: '2h' })
  await refused(tenant, 'VERSION_REPLAYED', /1\.4\.0/, 'Intent Applied Refused')
  await follow(tenant, '>=1 <1.5')
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), '1.4.0')
  const back = (await tenant.records()).at(-1)
  assert.deepEqual([back?.version, back?.trigger.type, back?.trigger.by], ['1.4.0', 'spec', 'person'])
})

test('a version whose tag was moved to another digest is refused, signed or not', async () => {
  const { tenant } = await following('^1', '1.0.0')
  publish(tenant, '1.0.0', 'another')
  await refused(tenant, 'VERSION_MOVED', /1\.0\.0/, 'Intent Applied')
  assert.equal(await hello(tenant), '1.0.0')
})

test('a range that no tag satisfies is refused, and a repository that is not there is not found', async () => {
  const { tenant } = await following('^1', '1.0.0')
  await follow(tenant, '^3')
  await refused(tenant, 'VERSION_UNMATCHED', /\^3/, 'Intent Applied')
  const empty = await world.tenant()
  await follow(empty, '^1')
  const said = await empty.run()
  assert.equal(said.reason, 'REGISTRY_NOT_FOUND')
  assert.match(said.message, /: the repository was not found/)
})

test('an idle look costs two requests, and a higher version takes the place of one that does not become healthy', async () => {
  const { tenant } = await following('^1', '1.0.0')
  await follow(tenant, '^1', { interval: '1s', prune: { maxPercent: 100 } })
  const end = new AbortController()
  const over = runPuller({
    kubeconfig: world.kubeconfig,
    cacheDir: tenant.cacheDir,
    plainHttp: true,
    onlyNamespaces: [tenant.namespace],
    log: pino({ level: 'silent' }),
    signal: end.signal,
  })
  try {
    await world.plane.eventually(
      'it is looked at',
      async () => field(await tenant.delivery(), 'status', 'observedGeneration') === 2,
    )
    const before = world.registry.requests.length
    await world.plane.eventually('polls', async () => world.registry.requests.length >= before + 6)
    const [list, head] = [
      `GET /v2/${tenant.namespace}/shop/tags/list?n=1000`,
      `HEAD /v2/${tenant.namespace}/shop/manifests/1.0.0`,
    ]
    const polls = world.registry.requests.slice(before, before + 6)
    assert.deepEqual(polls.sort(), [list, list, list, head, head, head])
    const stuck = tenant.release('1.1.0', [greeting('stuck'), deployment('api')])
    tenant.publish(stuck, { version: '1.1.0', tag: '1.1.0' })
    await world.plane.eventually('it is stuck', async () => (await hello(tenant)) === 'stuck')
    publish(tenant, '1.2.0')
    await world.plane.eventually('it is superseded', async () => (await hello(tenant)) === '1.2.0')
    assert.match(await tenant.kinds(), /Intent Failed Intent/)
  } finally {
    end.abort()
    await over
  }
})

test('prereleases are delivered where the range names one', async () => {
  const { tenant } = await following('>=2.0.0-0', '1.9.0', '2.0.0-rc.1', '2.0.0-rc.10', '2.0.0-rc.9')
  assert.equal(await hello(tenant), '2.0.0-rc.10')
  publish(tenant, '2.0.0')
  await tenant.run()
  assert.equal(await hello(tenant), '2.0.0')
})

test('a rollback holds an older version while newer ones come out, and unhold goes to the highest, never below what was seen', async () => {
  const { tenant } = await following('^1', '1.0.0')
  publish(tenant, '1.1.0')
  await tenant.run()
  const [first] = await tenant.records()
  await follow(tenant, '^1', { hold: { digest: first?.digest } })
  assert.equal((await tenant.run()).reason, 'Held')
  assert.equal(await hello(tenant), '1.0.0')
  publish(tenant, '1.2.0')
  await tenant.run()
  assert.equal(await hello(tenant), '1.0.0', 'it is held')
  for (const tag of ['1.2.0', '1.1.0']) world.registry.untag(`${tenant.namespace}/shop`, tag)
  await follow(tenant, '^1')
  await refused(tenant, 'VERSION_REPLAYED', /1\.0\.0.*1\.1\.0/, 'Intent Applied Intent Applied Intent RolledBack')
  assert.equal((await tenant.records()).at(-1)?.trigger.type, 'unhold')
  publish(tenant, '1.2.0')
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), '1.2.0')
})
