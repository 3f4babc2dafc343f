import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import type { Change } from '../../../puller/kinds.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { pullersOf } from '../pullers.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
  const input = printYaml(installObjects({ crdsOnly: true, guard: { groups: [] } }))
  await world.plane.runKubectl(['apply', '--server-side', '-f', '-'], { input })
})
after(() => world?.stop())

const start = pullersOf(() => world)
const KEY = 'waybill.dev/break-glass'
const FIELD = 'metadata.annotations["waybill.dev/break-glass"]'
const guarded = { guard: true }

const at = ({ namespace }: Tenant, name = 'greeting') => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const edit = async (tenant: Tenant, body: unknown, name?: string) => {
  const contentType = 'application/merge-patch+json'
  return (await world.plane.api('PATCH', `${at(tenant, name)}?fieldManager=somebody`, { body, contentType })).status
}
const broken = (reason: string | null, data: Record<string, string> = {}) => ({
  metadata: { annotations: { [KEY]: reason } },
  data,
})
const hello = async (tenant: Tenant, name?: string) => field((await tenant.get(at(tenant, name))).body, 'data', 'hello')
const kindsBecome = (tenant: Tenant, kinds: string) =>
  world.plane
    .eventually(`records ${kinds}`, async () => (await tenant.kinds()) === kinds)
    .catch(async () => assert.equal(await tenant.kinds(), kinds))
const newest = async (tenant: Tenant): Promise<readonly Change[]> =>
  (await tenant.records()).at(-1)?.changes?.listed ?? []

async function delivered(spec: object = {}): Promise<Tenant> {
  const tenant = await world.tenant()
  const objects = [configMap('greeting', { hello: 'world' }), configMap('other', { hello: 'world' })]
  tenant.publish(tenant.release('1', objects), {
    version: '1.0.0',
    promotion: { channel: 'production', sequence: 1 },
  })
  await tenant.deliver({ ...spec })
  return tenant
}

async function settled(spec: object = {}): Promise<Tenant> {
  const tenant = await delivered(spec)
  assert.equal((await tenant.run(guarded)).ready, true)
  return tenant
}

test('what is changed by hand under a reason is left, and on record with it, until the annotation goes; then it is put back at once', async () => {
  const tenant = await delivered()
  start([tenant], guarded)
  await kindsBecome(tenant, 'Intent Applied')
  assert.equal(await edit(tenant, broken('INC-7: disk full', { hello: 'there' })), 200)
  await kindsBecome(tenant, 'Intent Applied DriftDetected')
  const [change] = await newest(tenant)
  assert.deepEqual(
    change?.fields,
    ['data.hello', FIELD].sort((a) => (a === FIELD ? -1 : 1)),
  )
  assert.equal(change?.breakGlass, 'INC-7: disk full')
  assert.equal(change?.manager, 'somebody')
  await world.plane.eventually('BreakGlass', async () => (await tenant.condition('Drifted'))?.reason === 'BreakGlass')
  assert.match(String((await tenant.condition('Drifted'))?.message), /break glass: INC-7: disk full/)
  assert.equal(field(await tenant.delivery(), 'status', 'drift', 'listed', 0, 'breakGlass'), 'INC-7: disk full')
  assert.equal(await hello(tenant), 'there')
  const events = await world.plane.eventually('an Event', async () => {
    const { body } = await tenant.get(`/apis/events.k8s.io/v1/namespaces/${tenant.namespace}/events`)
    const text = JSON.stringify(body)
    return text.includes('break glass: INC-7: disk full') ? text : undefined
  })
  assert.ok(events)
  assert.equal(await edit(tenant, broken('INC-8')), 200)
  await kindsBecome(tenant, 'Intent Applied DriftDetected DriftDetected')
  assert.equal(await edit(tenant, broken(null)), 200)
  await kindsBecome(tenant, 'Intent Applied DriftDetected DriftDetected Intent DriftCorrected DriftResolved')
  assert.equal(await hello(tenant), 'world')
  const last = (await tenant.records()).at(-1)
  assert.equal(last?.trigger.reason, 'it was put back')
  assert.equal(last?.changes?.listed[0]?.breakGlass, 'INC-8')
  await world.plane.eventually('no drift', async () => (await tenant.condition('Drifted'))?.status === 'False')
})

test('while the glass stays broken nothing is asked of the API server, interval after interval', async () => {
  const tenant = await delivered({ interval: '1s' })
  start([tenant], guarded)
  await kindsBecome(tenant, 'Intent Applied')
  await edit(tenant, broken('a long night', { hello: 'there' }))
  await world.plane.eventually('BreakGlass', async () => (await tenant.condition('Drifted'))?.reason === 'BreakGlass')
  const polled = async (times: number) => {
    const from = world.registry.requests.length
    await world.plane.eventually(`${times} polls`, async () => world.registry.requests.length >= from + times)
  }
  await polled(2)
  const mark = await world.plane.auditMark()
  await polled(5)
  const asked = (await world.plane.auditSince(mark))
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.resource !== 'leases')
  assert.deepEqual(
    asked.map(({ verb, requestURI }) => `${verb} ${requestURI}`),
    [],
  )
})

test('the annotation alone is on record, and that it went; what else drifts is put back meanwhile', async () => {
  const tenant = await settled()
  await edit(tenant, broken('only looking'))
  await tenant.run(guarded)
  assert.deepEqual((await newest(tenant))[0]?.fields, [FIELD])
  await edit(tenant, broken('quickly', { hello: 'x' }), 'other')
  await edit(tenant, broken(null), 'other')
  await tenant.run(guarded)
  assert.equal(await hello(tenant, 'other'), 'world')
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected Intent DriftCorrected')
  assert.equal((await tenant.condition('Drifted'))?.reason, 'BreakGlass')
  await edit(tenant, broken(null))
  await tenant.run(guarded)
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected Intent DriftCorrected DriftResolved')
})

test('a puller without --guard puts drift back, whatever annotation the object carries', async () => {
  const tenant = await settled()
  await edit(tenant, broken('let me', { hello: 'there' }))
  await edit(tenant, broken('and me'), 'other') // the guard denies all else to this puller
  await tenant.run()
  assert.equal(await hello(tenant), 'world')
  const records = await tenant.records()
  assert.equal(records.at(-1)?.kind, 'DriftCorrected')
  assert.doesNotMatch(JSON.stringify(records), /let me|and me/)
})

test('a blank reason leaves nothing', async () => {
  const tenant = await settled()
  await edit(tenant, broken('  ', { hello: 'there' }))
  await tenant.run(guarded)
  assert.equal(await hello(tenant), 'world')
})

test('a release whose objects differ is applied under broken glass, and the glass that stays broken is on record again', async () => {
  const tenant = await settled()
  await edit(tenant, broken('hotfix', { hello: 'there' }))
  await tenant.run(guarded)
  const objects = [configMap('greeting', { hello: 'all' }), configMap('other', { hello: 'world' })]
  tenant.publish(tenant.release('2', objects), {
    version: '1.1.0',
    promotion: { channel: 'production', sequence: 2 },
  })
  await tenant.run(guarded)
  assert.equal(await hello(tenant), 'all')
  assert.equal((await tenant.records()).at(-1)?.trigger.reason, '1.1.0 was applied')
  await tenant.run(guarded)
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected Intent Applied DriftResolved DriftDetected')
  assert.deepEqual((await newest(tenant))[0]?.fields, [FIELD])
})

test('what is mended by hand after a release failed is left by every other try of that release', async () => {
  const health = [{ kind: 'ConfigMap', current: "data.hello != 'sick'" }]
  const tenant = await settled({ health, timeout: '1s' })
  const objects = [configMap('greeting', { hello: 'sick' }), configMap('other', { hello: 'world' })]
  tenant.publish(tenant.release('2', objects), {
    version: '1.1.0',
    promotion: { channel: 'production', sequence: 2 },
  })
  assert.equal((await tenant.run(guarded)).ready, false)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Failed')
  await edit(tenant, broken('mended', { hello: 'well' }))
  await tenant.run(guarded)
  assert.equal(await hello(tenant), 'well')
  // It counts as applied now; what differs, and why, is on record before that.
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Failed DriftDetected Applied')
  assert.equal((await tenant.records()).at(-2)?.changes?.listed[0]?.breakGlass, 'mended')
})

test('what is deleted under broken glass is made again; the reason is on record from before', async () => {
  const tenant = await settled()
  await edit(tenant, broken('it is in my way'))
  await tenant.run(guarded)
  assert.equal((await world.plane.api('DELETE', at(tenant))).status, 200)
  await tenant.run(guarded)
  assert.equal(await hello(tenant), 'world')
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected Intent DriftCorrected DriftResolved')
  assert.equal((await newest(tenant))[0]?.breakGlass, 'it is in my way')
})

test('with drift: report it is told with its reason among what else is left', async () => {
  const tenant = await settled({ drift: 'report' })
  await edit(tenant, broken('why', { hello: 'there' }))
  await tenant.run(guarded)
  await tenant.run(guarded)
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected')
  assert.equal((await newest(tenant))[0]?.breakGlass, 'why')
  await edit(tenant, broken(null))
  await tenant.run(guarded)
  assert.equal(await hello(tenant), 'there')
  assert.deepEqual((await newest(tenant))[0]?.fields, ['data.hello'])
})

test('that the glass is broken is on record while what was changed under it is unwell', async () => {
  const health = [{ kind: 'ConfigMap', current: "data.hello != 'sick'" }]
  const tenant = await settled({ health })
  await edit(tenant, broken('trying', { hello: 'sick' }))
  assert.equal((await tenant.run(guarded)).ready, false)
  assert.equal(await hello(tenant), 'sick')
  assert.equal((await newest(tenant))[0]?.breakGlass, 'trying')
  assert.equal((await tenant.condition('Drifted'))?.reason, 'BreakGlass')
  assert.equal(await tenant.kinds(), 'Intent Applied DriftDetected')
})
