import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { type Clock, systemClock } from '../../puller/clock.ts'
import { waybillHere } from '../cli/command.ts'
import { field } from '../real/control-plane.ts'
import { PULLER_NAMESPACE } from './installed.ts'
import { startKillProxy } from './kill-proxy.ts'
import { leaseOf } from './leader/replicas.ts'
import { pullersOf } from './pullers.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

/** What a puller outlives: time that goes wrong, a registry that is away for long, neighbours that hang, releases that cannot be gone back to. */
let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const promoted = (sequence: number) => ({ promotion: { channel, sequence } })
const greeting = (hello: string) => configMap('greeting', { hello })
const at = ({ namespace }: Tenant) => `/api/v1/namespaces/${namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')
const until = (what: string, check: () => Promise<boolean>) => world.plane.eventually(what, check, 60_000)
const untilHello = (tenant: Tenant, wanted: string) =>
  until(`hello ${wanted}`, async () => (await hello(tenant)) === wanted)

const start = pullersOf(() => world)
afterEach(() => {
  world.registry.behave()
})

async function byHand(tenant: Tenant): Promise<void> {
  const body = { data: { hello: 'nobody' } }
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${at(tenant)}?fieldManager=hand`, { body, contentType })
}

async function auditIsClean({ namespace }: Tenant): Promise<void> {
  const ran = await waybillHere(['audit', 'app', '-n', namespace, '--kubeconfig', world.plane.kubeconfig])
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
}

/** The machine's clock, so many times as fast, and set by hand. */
class WarpClock implements Clock {
  readonly #times: number
  readonly #from = { wall: systemClock.nowMs(), monotonic: systemClock.monotonicMs() }
  #setByMs = 0
  constructor(times = 1) {
    this.#times = times
  }
  monotonicMs(): number {
    return (systemClock.monotonicMs() - this.#from.monotonic) * this.#times
  }
  nowMs(): number {
    return Math.round(this.#from.wall + this.monotonicMs() + this.#setByMs)
  }
  setBy(ms: number): void {
    this.#setByMs += ms
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms / this.#times, signal)
  }
  random(): number {
    return systemClock.random()
  }
}

test('a registry that is gone for an hour costs little, keeps nothing from being put back, and is believed again', async () => {
  const tenant = await world.tenant()
  const hour = 3_600_000
  const clock = new WarpClock(600)
  tenant.publish(tenant.release('1', [greeting('world')]), promoted(1))
  await tenant.deliver({ interval: '1m' })
  start([tenant], { clock, waitTimeoutMs: hour })
  await untilHello(tenant, 'world')
  await until('applied', async () => (await tenant.kinds()) === 'Intent Applied')
  for (const method of ['GET', 'HEAD']) world.registry.when(method, /./).hangUp()
  const began = clock.monotonicMs()
  const before = world.registry.requests.length
  await until('half an hour is over', async () => clock.monotonicMs() - began > hour / 2)
  await byHand(tenant)
  await untilHello(tenant, 'world')
  await until('an hour is over', async () => clock.monotonicMs() - began > hour)
  assert.ok(world.registry.requests.length - before < 200, `${world.registry.requests.length - before} requests`)
  world.registry.behave()
  tenant.publish(tenant.release('2', [greeting('mars')]), promoted(2))
  await untilHello(tenant, 'mars')
  await until('on record', async () => /Applied$/.test(await tenant.kinds()))
  const kinds = (await tenant.kinds()).replaceAll(/Refused|Failed/g, '').split(/ +/)
  assert.deepEqual(kinds, ['Intent', 'Applied', 'Intent', 'DriftCorrected', 'Intent', 'Applied'])
  assert.ok((await tenant.records()).length <= 8, await tenant.kinds())
  await auditIsClean(tenant)
})

test('a clock that is set forward a day, and back by two, stops no work, loses no lead and breaks no chain', async () => {
  const tenant = await world.tenant()
  const clock = new WarpClock()
  const other = new WarpClock()
  const times = { leaseMs: 6_000, renewDeadlineMs: 4_000, retryMs: 500 }
  await tenant.deliver({ interval: '1s' })
  start([tenant], { clock, leaderElection: { host: 'one', times } })
  await until('one leads', async () => String(field(await leaseOf(world, tenant), 'holderIdentity')).startsWith('one_'))
  start([tenant], { clock: other, cacheDir: `${tenant.cacheDir}-two`, leaderElection: { host: 'two', times } })
  const day = 86_400_000
  for (const [i, [mine, theirs]] of (
    [
      [day, 0],
      [-2 * day, 0],
      [0, day],
      [0, -2 * day],
    ] as const
  ).entries()) {
    clock.setBy(mine)
    other.setBy(theirs)
    tenant.publish(tenant.release(`${i}`, [greeting(`${i}`)]), promoted(i + 1))
    await untilHello(tenant, `${i}`)
    await byHand(tenant)
    await untilHello(tenant, `${i}`)
  }
  await until('on record', async () => /DriftCorrected$/.test(await tenant.kinds()))
  assert.equal(await tenant.kinds(), Array(4).fill('Intent Applied Intent DriftCorrected').join(' '))
  const lease = await leaseOf(world, tenant)
  assert.equal(field(lease, 'leaseTransitions'), 0)
  await auditIsClean(tenant)
})

test('Events that nobody takes pile up nowhere in the way: what is delivered, put back and recorded goes on', async (t) => {
  const tenant = await world.tenant()
  const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
  const forever = new Promise<void>(() => {})
  const asked: string[] = []
  const proxy = await startKillProxy(world.plane, {
    token,
    at: undefined,
    kill: () => {},
    hold: (line) => (/\/events(?:[/?]|$)/.test(line) && asked.push(line) > 0 ? forever : undefined),
  })
  t.after(proxy.close)
  await tenant.deliver({ interval: '1s' })
  start([tenant], { kubeconfig: proxy.kubeconfig })
  for (const sequence of [1, 2, 3]) {
    tenant.publish(tenant.release(`${sequence}`, [greeting(`${sequence}`)]), promoted(sequence))
    await untilHello(tenant, `${sequence}`)
    await byHand(tenant)
    await untilHello(tenant, `${sequence}`)
  }
  await until('on record', async () => /DriftCorrected$/.test(await tenant.kinds()))
  assert.equal(await tenant.kinds(), Array(3).fill('Intent Applied Intent DriftCorrected').join(' '))
  assert.equal(asked.length, 1, 'one at a time, and the others wait')
  await auditIsClean(tenant)
})

test('Deliveries whose API hangs take no place from others, however many they are', async (t) => {
  const stuck = await Promise.all(Array.from({ length: 3 }, () => world.tenant()))
  const good = await Promise.all(Array.from({ length: 6 }, () => world.tenant()))
  for (const tenant of [...stuck, ...good]) {
    tenant.publish(tenant.release('1', [greeting('world'), configMap('more', {})]), promoted(1))
    await tenant.deliver()
  }
  // Nobody speaks there: each request waits for the whole of the webhook's patience.
  const mute = createServer(() => undefined)
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  t.after(() => mute.close())
  const address = mute.address()
  const url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
  const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations'
  const webhook = {
    name: 'hangs.example.com',
    admissionReviewVersions: ['v1'],
    sideEffects: 'None',
    timeoutSeconds: 30,
    clientConfig: { url },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }],
    namespaceSelector: {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'In', values: stuck.map(({ namespace }) => namespace) },
      ],
    },
  }
  const made = await world.plane.api('POST', hooks, { body: { metadata: { name: 'hangs' }, webhooks: [webhook] } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  t.after(() => world.plane.api('DELETE', `${hooks}/hangs`))
  await delay(1_500)
  start([...stuck, ...good], { parallel: 1 })
  for (const tenant of good) await untilHello(tenant, 'world')
  for (const tenant of stuck) assert.equal(await hello(tenant), undefined)
  await world.plane.api('DELETE', `${hooks}/hangs`)
  for (const tenant of stuck) await untilHello(tenant, 'world')
})

describe('going back across a storage version of a definition', () => {
  const definition = (...versions: readonly string[]): KubeObject => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'lamps.survival.example.com' },
    spec: {
      group: 'survival.example.com',
      names: { kind: 'Lamp', plural: 'lamps', singular: 'lamp', listKind: 'LampList' },
      scope: 'Namespaced',
      versions: versions.map((name, i) => ({
        name,
        served: true,
        storage: i === versions.length - 1,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      })),
    },
  })

  test('is refused before the first write, and says which version is stored', async () => {
    const tenant = await world.tenant()
    const admin = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
    const subjects = [{ kind: 'ServiceAccount', namespace: tenant.namespace, name: 'waybill' }]
    const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings'
    const body = { metadata: { name: tenant.namespace }, roleRef: admin, subjects }
    assert.equal((await world.plane.api('POST', bindings, { body })).status, 201)
    const first = tenant.release('1', [greeting('one'), definition('v1')])
    tenant.publish(first, promoted(1))
    await tenant.deliver()
    assert.equal((await tenant.run()).ready, true)
    tenant.publish(tenant.release('2', [greeting('two'), definition('v1', 'v2')]), promoted(2))
    assert.equal((await tenant.run()).ready, true)
    await tenant.deliver({ hold: { digest: first.digest } })
    const mark = await world.plane.auditMark()
    const said = await tenant.run()
    assert.deepEqual([said.ready, said.reason], [false, 'CRD_VERSION_STORED'], said.message)
    assert.match(said.message, /v2/)
    assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
    assert.equal(await hello(tenant), 'two')
    assert.match(await tenant.kinds(), /^Intent Applied Intent Applied Refused$/)
  })
})
