import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { type PullerOptions, runPuller } from '../../../puller/puller.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const running: { end: AbortController; over: Promise<unknown> }[] = []
afterEach(async () => {
  for (const { end, over } of running.splice(0)) {
    end.abort()
    await over
  }
})

function start(tenants: readonly Tenant[], options: Partial<PullerOptions> = {}): void {
  const end = new AbortController()
  const over = runPuller({
    kubeconfig: world.kubeconfig,
    cacheDir: tenants[0]?.cacheDir ?? '',
    plainHttp: true,
    onlyNamespaces: tenants.map(({ namespace }) => namespace),
    log: pino({ level: process.env.WAYBILL_TEST_LOG ?? 'silent' }),
    signal: end.signal,
    ...options,
  })
  running.push({ end, over })
}

const idle = (name: string): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'web', image: 'registry.example.com/web:1' }] },
    },
  },
})

/** Delivers these objects at an interval that no test lives to see, and waits until they are applied. */
async function delivered(objects: readonly KubeObject[], spec: Record<string, unknown> = {}): Promise<Tenant> {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', objects), { promotion: { channel: 'production', sequence: 1 } })
  await tenant.deliver(spec)
  start([tenant])
  await world.plane.eventually('Applied', async () => (await tenant.condition('Ready'))?.reason === 'Applied')
  return tenant
}

const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const deliveryOf = ({ namespace }: Tenant) => `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/app`
const patch = (path: string, body: unknown, manager = 'somebody', contentType = 'application/merge-patch+json') =>
  world.plane.api('PATCH', `${path}?fieldManager=${manager}`, { body, contentType })
const becomes = (tenant: Tenant, path: string, wanted: unknown, ...steps: (string | number)[]) =>
  world.plane.eventually(`${steps.join('.')} is ${JSON.stringify(wanted)}`, async () => {
    const found = field((await tenant.get(path)).body, ...steps)
    return JSON.stringify(found) === JSON.stringify(wanted)
  })
const kindsBecome = (tenant: Tenant, kinds: string) =>
  world.plane
    .eventually(`records ${kinds}`, async () => (await tenant.kinds()) === kinds)
    .catch(async () => assert.equal(await tenant.kinds(), kinds))

/** What the puller asked the API server since the mark, watches and the Lease left out. */
async function asked(mark: number): Promise<string[]> {
  return (await world.plane.auditSince(mark))
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.resource !== 'leases')
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

test('a value that somebody edits is put back at once, by a watch, long before the interval', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' })])
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected')
  await becomes(tenant, deliveryOf(tenant), 'somebody', 'status', 'drift', 'listed', 0, 'manager')
})

test('while nothing happens nothing is asked of the API server, interval after interval', async () => {
  await delivered([configMap('greeting', { hello: 'world' })], { interval: '1s' })
  const polled = async (times: number) => {
    const before = world.registry.requests.length
    await world.plane.eventually(`${times} polls`, async () => world.registry.requests.length >= before + times)
  }
  await polled(2)
  const mark = await world.plane.auditMark()
  await polled(5)
  assert.deepEqual(await asked(mark), [])
})
