import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { PullerOptions } from '../../../puller/puller.ts'
import { waybillHere } from '../../cli/command.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { startKillProxy } from '../kill-proxy.ts'
import { configMap } from '../release-fixture.ts'
import { notAsAccount, startWorld, type Tenant, type World } from '../world.ts'
import { startLine } from './partition.ts'
import { leaderOf, leaseOf, type ReplicaProcess, startReplica } from './replicas.ts'

/** Two replicas of the puller, processes of their own, and what happens to the one that leads. */
let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const running: (() => Promise<unknown>)[] = []
const atEnd = (end: () => Promise<unknown>) => void running.push(end)
afterEach(async () => {
  for (const end of running.splice(0).reverse()) await end()
  world.registry.behave()
})

const channel = 'production'
const promoted = (sequence: number) => ({ promotion: { channel, sequence } })
const MANY = 150
const objects = (hello: string, count = 0) => [
  configMap('greeting', { hello }),
  ...Array.from({ length: count }, (_, i) => configMap(`many-${i}`, { hello })),
]
const configMaps = ({ namespace }: Tenant) => `/api/v1/namespaces/${namespace}/configmaps`
const replicas = new Set<ReplicaProcess>()
const until = async (what: string, check: () => Promise<boolean>) => {
  try {
    await world.plane.eventually(what, check, 60_000)
  } catch (error) {
    throw new Error([String(error), ...[...replicas].map((one) => `${one.name}: ${one.said()}`)].join('\n'))
  }
}
const untilLeads = (tenant: Tenant, { name }: ReplicaProcess) =>
  until(`${name} leads`, async () => (await leaderOf(world, tenant)) === name)
const hello = async (tenant: Tenant) =>
  field((await tenant.get(`${configMaps(tenant)}/greeting`)).body, 'data', 'hello')
const untilHello = (tenant: Tenant, wanted: string) =>
  until(`hello ${wanted}`, async () => (await hello(tenant)) === wanted)
const untilApplied = (tenant: Tenant, sequence: number) =>
  until(`promotion ${sequence} is applied`, async () => {
    const newest = (await tenant.records()).findLast(({ kind }) => kind === 'Applied')
    return newest?.promotion?.sequence === sequence
  })

/** The status tells of the newest record: the leader has written what it had to. */
const untilSaid = (tenant: Tenant) =>
  until('the status tells of it', async () => {
    const said = field(await tenant.delivery(), 'status', 'lastRecord', 'sequence')
    return said === (await tenant.records()).at(-1)?.sequence
  })

async function replica(tenant: Tenant, name: string, options: Partial<PullerOptions> = {}): Promise<ReplicaProcess> {
  const one = await startReplica(world, tenant, name, options)
  replicas.add(one)
  running.push(async () => {
    await one.kill()
    replicas.delete(one)
  })
  return one
}

/** Two of them; the first, which `options` are for, leads. */
async function pair(tenant: Tenant, options: Partial<PullerOptions> = {}) {
  const one = await replica(tenant, 'one', options)
  await untilLeads(tenant, one)
  const two = await replica(tenant, 'two')
  await until('two stands by', async () => /another replica leads/.test(two.said()))
  return [one, two] as const
}

async function byHand(tenant: Tenant, data: Record<string, string>): Promise<void> {
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${configMaps(tenant)}/greeting?fieldManager=hand`, { body: { data }, contentType })
}

const METHODS: Readonly<Record<string, string>> = { create: 'POST', delete: 'DELETE', patch: 'PATCH' }
const methodOf = (verb: string) => METHODS[verb] ?? 'GET'

/** Everything is as the release says and nothing else is there, and the chain has neither gap nor duplicate. */
async function assertWhole(tenant: Tenant, wanted: readonly KubeObject[]): Promise<void> {
  const items = field((await tenant.get(configMaps(tenant))).body, 'items')
  const found = (Array.isArray(items) ? items : [])
    .map((item) => [String(field(item, 'metadata', 'name')), field(item, 'data', 'hello')])
    .filter(([name]) => name !== 'kube-root-ca.crt')
  const expected = wanted.map(({ metadata, data }) => [metadata.name, field(data, 'hello')])
  assert.deepEqual(found.sort(), expected.sort())
  const ran = await waybillHere(['audit', 'app', '-n', tenant.namespace, '--kubeconfig', world.plane.kubeconfig])
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
}

describe('of two replicas', () => {
  test('the standby finishes what the leader was killed in the middle of, and says it once', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', objects('world', MANY)), promoted(1))
    let kill = () => {}
    const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
    const objectsSeen: string[] = []
    const proxy = await startKillProxy(world.plane, {
      token,
      at: undefined,
      kill,
      hold: (line) => {
        if (/^PATCH .*many-/.test(line) && !line.includes('dryRun') && objectsSeen.push(line) === 40) kill()
        return undefined
      },
    })
    atEnd(proxy.close)
    const [one, two] = await pair(tenant, { kubeconfig: proxy.kubeconfig })
    kill = () => void one.kill()
    await tenant.deliver()
    await untilLeads(tenant, two)
    await untilApplied(tenant, 1)
    assert.notEqual(one.ended(), undefined)
    await assertWhole(tenant, objects('world', MANY))
    assert.equal(await tenant.kinds(), 'Intent Applied')
  })

  test('the leader that is told to end gives the Lease back, and the other goes on within seconds', async () => {
    const tenant = await world.tenant()
    const [one, two] = await pair(tenant)
    tenant.publish(tenant.release('1', objects('world')), promoted(1))
    await tenant.deliver()
    await untilApplied(tenant, 1)
    const left = one.kill('SIGTERM')
    await left
    assert.equal(one.ended(), 'exit status 0')
    await untilLeads(tenant, two)
    assert.equal(field(await leaseOf(world, tenant), 'leaseTransitions'), 1)
    tenant.publish(tenant.release('2', objects('mars')), promoted(2))
    await tenant.annotate({ 'waybill.dev/reconcile': '2' })
    await untilHello(tenant, 'mars')
  })

  test('the standby holds ready what runs and what ran, writing nothing, and leads with the registry down', async () => {
    const tenant = await world.tenant()
    const first = tenant.release('1', objects('world'))
    const second = tenant.release('2', objects('mars'))
    const secret = {
      metadata: { name: 'pull' },
      type: 'kubernetes.io/dockerconfigjson',
      stringData: { '.dockerconfigjson': '{"auths":{}}' },
    }
    await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, { body: secret })
    const one = await replica(tenant, 'one')
    tenant.publish(first, promoted(1))
    await tenant.deliver({ source: { repository: tenant.repository, channel, pullSecret: { name: 'pull' } } })
    await untilApplied(tenant, 1)
    tenant.publish(second, promoted(2))
    await tenant.annotate({ 'waybill.dev/reconcile': '2' })
    await untilApplied(tenant, 2)
    await untilSaid(tenant)

    const mark = await world.plane.auditMark()
    const two = await replica(tenant, 'two')
    await until('the standby holds both', async () => two.holds(first) && two.holds(second))
    const asked = await world.plane.auditSince(mark)
    assert.deepEqual(notAsAccount(asked), [])
    assert.ok(
      asked.some(({ objectRef, impersonatedUser }) => objectRef?.name === 'pull' && impersonatedUser !== undefined),
    )
    // The leader tells of what it applied when it has time.
    const writes = asked
      .filter(({ user }) => user.username.endsWith(':waybill-puller'))
      .filter(
        ({ verb, objectRef }) =>
          /create|update|patch|delete/.test(verb) && !/^(?:selfsubject|events$)/.test(objectRef?.resource ?? ''),
      )
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
    assert.deepEqual([...new Set(writes)], ['update leases'])

    for (const method of ['GET', 'HEAD']) world.registry.when(method, /./).hangUp()
    await one.kill()
    await byHand(tenant, { hello: 'nobody' })
    await untilLeads(tenant, two)
    await untilHello(tenant, 'mars')
    const back = await waybillHere([
      ...['rollback', 'app', '--to', first.digest, '--reason', 'test', '-n', tenant.namespace],
      ...['--kubeconfig', world.plane.kubeconfig],
    ])
    assert.equal(back.status, 0, back.stderr)
    await untilHello(tenant, 'world')
    await assertWhole(tenant, objects('world'))
  })

  test('a leader that is cut off stops, the other takes over, and the first stands by when the line is back', async () => {
    for (const state of ['stalled', 'cut'] as const) {
      const tenant = await world.tenant()
      const line = await startLine(world.kubeconfig)
      atEnd(line.close)
      tenant.publish(tenant.release('1', objects('world', MANY)), promoted(1))
      const [one, two] = await pair(tenant, { kubeconfig: line.kubeconfig })
      await tenant.deliver()
      await until('some are there', async () => (await tenant.get(`${configMaps(tenant)}/many-0`)).status === 200)
      line.set(state)
      await untilLeads(tenant, two)
      // It sends nothing from the deadline on, and says so once its work is at rest.
      await until('the first one stopped', async () => /no longer leads/.test(one.said()))
      await untilApplied(tenant, 1)
      tenant.publish(tenant.release('2', objects('mars', MANY)), promoted(2))
      await tenant.annotate({ 'waybill.dev/reconcile': '2' })
      await untilApplied(tenant, 2)
      line.set('open')
      await until('the first one stands by', async () => /another replica leads/.test(one.said()))
      await assertWhole(tenant, objects('mars', MANY))
      await two.kill('SIGTERM')
      await untilLeads(tenant, one)
      await byHand(tenant, { hello: 'nobody' })
      await tenant.annotate({ 'waybill.dev/reconcile': '3' })
      await untilHello(tenant, 'mars')
    }
  })

  describe('what a lost leader still wrote, late, is seen by the one that leads, and put back:', () => {
    const old = configMap('old', { hello: 'old' })
    const pass = (line: string) => !line.includes('dryRun')
    const late: readonly { what: string; line: RegExp; releases: readonly (readonly KubeObject[])[] }[] = [
      {
        what: 'an apply',
        line: /^PATCH .*\/configmaps\/greeting/,
        releases: [objects('world'), objects('late'), objects('mars')],
      },
      {
        what: 'a deletion of what is wanted again',
        line: /^DELETE .*\/configmaps\/old/,
        releases: [[...objects('world'), old], objects('late'), [...objects('mars'), old]],
      },
      {
        what: 'a record',
        line: /^POST .*\/deliveryrecords/,
        releases: [objects('world'), objects('late'), objects('mars')],
      },
    ]
    for (const { what, line, releases } of late)
      test(what, async () => {
        const tenant = await world.tenant()
        const publish = (sequence: number) =>
          tenant.publish(tenant.release(`${sequence}`, releases[sequence - 1] ?? []), promoted(sequence))
        publish(1)
        const stuck = Promise.withResolvers<void>()
        const forever = new Promise<void>(() => {})
        let isSecond = false
        let isStuck = false
        const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
        const proxy = await startKillProxy(world.plane, {
          token,
          at: undefined,
          kill: () => {},
          // One write of the second release, and from then on everything: that one alone gets through, late.
          hold: (sent) => {
            if (isStuck) return forever
            if (!isSecond || !line.test(sent) || !pass(sent)) return undefined
            isStuck = true
            return stuck.promise
          },
        })
        atEnd(proxy.close)
        const [one, two] = await pair(tenant, { kubeconfig: proxy.kubeconfig })
        await tenant.deliver({ interval: '2s', prune: { enabled: true, maxPercent: 100 } })
        await untilApplied(tenant, 1)
        isSecond = true
        publish(2)
        await until('the write is on its way', async () => isStuck)
        publish(3)
        await untilLeads(tenant, two)
        await untilApplied(tenant, 3)
        // managedFields tell times by the second.
        await delay(1_100)
        const mark = await world.plane.auditMark()
        stuck.resolve()
        await until('the late write arrives', async () =>
          (await world.plane.auditSince(mark)).some(
            ({ verb, requestURI, objectRef }) =>
              objectRef?.namespace === tenant.namespace &&
              line.test(`${methodOf(verb)} ${requestURI}`) &&
              pass(requestURI),
          ),
        )
        await until('it is put back', async () => {
          const found = await Promise.all(
            (releases[2] ?? []).map(async ({ metadata, data }) => {
              const { body } = await tenant.get(`${configMaps(tenant)}/${metadata.name}`)
              return field(body, 'data', 'hello') === field(data, 'hello')
            }),
          )
          return found.every((same) => same)
        })
        await until('it is on record', async () => what === 'a record' || /DriftCorrected$/.test(await tenant.kinds()))
        await assertWhole(tenant, releases[2] ?? [])
        assert.match(one.said(), /no longer leads/)
      })
  })

  test('the store and the API server may go away in the middle of an apply', async () => {
    for (const what of ['etcd', 'kube-apiserver'] as const) {
      const tenant = await world.tenant()
      const both = await pair(tenant)
      tenant.publish(tenant.release('1', objects('world', MANY)), promoted(1))
      await tenant.deliver()
      await until('some are there', async () => (await tenant.get(`${configMaps(tenant)}/many-0`)).status === 200)
      if (what === 'etcd') {
        await world.plane.stopEtcd()
        await delay(2_000)
        await world.plane.startEtcd()
      } else await world.plane.restartApiserver()
      await untilApplied(tenant, 1)
      await assertWhole(tenant, objects('world', MANY))
      for (const one of both) assert.equal(one.ended(), undefined, `${one.name} went on running: ${one.said()}`)
    }
  })
})
