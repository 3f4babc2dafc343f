import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Clock, systemClock } from '../../../puller/clock.ts'
import { CORRECTIONS_MAX } from '../../../puller/drift/contest.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { pullersOf } from '../pullers.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const start = pullersOf(() => world)

const release = (tenant: Tenant, sequence: number, other: string) =>
  tenant.publish(
    tenant.release(String(sequence), [configMap('greeting', { hello: 'world' }), configMap('other', { is: other })]),
    { promotion: { channel: 'production', sequence } },
  )

/** Delivers two objects, and goes on running. */
async function delivered(spec: (tenant: Tenant) => object, clock: Clock = systemClock): Promise<Tenant> {
  const tenant = await world.tenant()
  release(tenant, 1, 'one')
  await tenant.deliver({ ...spec(tenant) })
  start([tenant], { clock })
  await world.plane.eventually('Applied', async () => (await tenant.condition('Ready'))?.reason === 'Applied')
  return tenant
}

const at = ({ namespace }: Tenant, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const data = async (tenant: Tenant, name: string) => field((await tenant.get(at(tenant, name))).body, 'data')
const becomes = (tenant: Tenant, name: string, wanted: object) =>
  world.plane.eventually(`${name} is ${JSON.stringify(wanted)}`, async () => {
    return JSON.stringify(await data(tenant, name)) === JSON.stringify(wanted)
  })
const edit = async (tenant: Tenant, name: string, values: Record<string, string>, manager: string) => {
  const contentType = 'application/merge-patch+json'
  const path = `${at(tenant, name)}?fieldManager=${manager}`
  assert.equal((await world.plane.api('PATCH', path, { body: { data: values }, contentType })).status, 200)
}

test('what no watch shows, such as an object that nobody delivers, is found at the next full comparison', async () => {
  const tenant = await delivered(({ namespace }) => ({
    compareInterval: '2s',
    unmanaged: { namespaces: [namespace], policy: 'report' },
  }))
  const unmanaged = async () => field(await tenant.delivery(), 'status', 'unmanaged', 'objects')
  await world.plane.eventually('looked at', async () => (await unmanaged()) === 0)
  const path = `/api/v1/namespaces/${tenant.namespace}/configmaps`
  await world.plane.api('POST', path, { body: configMap('stranger', {}) })
  await world.plane.eventually('found', async () => (await unmanaged()) === 1)
})

test('an object that another manager takes again and again is let be and named, the rest goes on, and it is tried again when its pause is over', async () => {
  let aheadMs = 0
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs }
  const tenant = await delivered(() => ({}), clock)
  for (let correction = 0; correction <= CORRECTIONS_MAX; correction++) {
    await edit(tenant, 'greeting', { hello: `take ${correction}` }, 'rival')
    await becomes(tenant, 'greeting', { hello: 'world' })
  }
  await edit(tenant, 'greeting', { hello: 'mine' }, 'rival')
  await world.plane.eventually('named', async () => {
    const said = await tenant.condition('Drifted')
    return said?.reason === 'Contested' && /greeting/.test(String(said.message)) && /rival/.test(String(said.message))
  })
  await edit(tenant, 'other', { is: 'edited' }, 'somebody')
  await becomes(tenant, 'other', { is: 'one' })
  release(tenant, 2, 'two')
  await tenant.annotate({ 'waybill.dev/reconcile': 'for the release' })
  await becomes(tenant, 'other', { is: 'two' })
  assert.deepEqual(await data(tenant, 'greeting'), { hello: 'mine' })
  const repairs = (await tenant.records()).filter(({ kind, changes }) => {
    return kind === 'DriftCorrected' && changes?.listed.some(({ object }) => object.endsWith('/greeting'))
  })
  assert.equal(repairs.length, CORRECTIONS_MAX + 1)
  aheadMs += 61_000
  await tenant.annotate({ 'waybill.dev/reconcile': 'after the pause' })
  await becomes(tenant, 'greeting', { hello: 'world' })
})

/** What the puller asked the API server for this tenant since the mark, watches left out. */
async function asked(mark: number, { namespace }: Tenant): Promise<string[]> {
  return (await world.plane.auditSince(mark))
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.namespace === namespace)
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

for (const [what, spec] of [
  ['drift that is reported', { drift: 'report' }],
  ['drift where sync is observe', { sync: 'observe' }],
] as const)
  test(`${what} costs nothing while nothing changes, interval after interval, and is seen to change`, async () => {
    const tenant = await delivered(() => ({ interval: '1s' }))
    await tenant.deliver({ interval: '1s', ...spec })
    const generation = field(await tenant.delivery(), 'metadata', 'generation')
    await world.plane.eventually('read', async () => {
      return field(await tenant.delivery(), 'status', 'observedGeneration') === generation
    })
    await edit(tenant, 'greeting', { hello: 'there' }, 'somebody')
    await world.plane.api('DELETE', at(tenant, 'other'))
    const says = (pattern: RegExp) =>
      world.plane.eventually(String(pattern), async () => {
        const { status, message } = (await tenant.condition('Drifted')) ?? {}
        return status === 'True' && pattern.test(String(message))
      })
    await says(/greeting.*somebody.*create .*other/)
    const polled = async (times: number) => {
      const before = world.registry.requests.length
      await world.plane.eventually(`${times} polls`, async () => world.registry.requests.length >= before + times)
    }
    await polled(3)
    const mark = await world.plane.auditMark()
    await polled(4)
    assert.deepEqual(await asked(mark, tenant), [])
    await edit(tenant, 'greeting', { hello: 'here' }, 'another')
    await says(/greeting.*another.*create .*other/)
  })
