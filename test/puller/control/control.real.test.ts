import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Clock, systemClock } from '../../../puller/clock.ts'
import { field } from '../../real/control-plane.ts'
import { configMap, deployment } from '../release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const greeting = (hello: string) => configMap('greeting', { hello })
const path = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const hello = async (tenant: Tenant) => field((await tenant.get(path(tenant))).body, 'data', 'hello')
const status = async (tenant: Tenant, ...at: readonly string[]) => field(await tenant.delivery(), 'status', ...at)
const spec = async (tenant: Tenant, ...at: readonly string[]) => field(await tenant.delivery(), 'spec', ...at)

function promote(tenant: Tenant, sequence: number, objects: Parameters<Tenant['release']>[1]) {
  const packed = tenant.release(`${sequence}`, objects)
  tenant.publish(packed, { promotion: { channel: 'production', sequence } })
  return packed.digest
}

async function drift(tenant: Tenant, data: Record<string, string> = { hello: 'nobody' }): Promise<void> {
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${path(tenant)}?fieldManager=somebody`, { body: { data }, contentType })
}

/** Reason and message of Ready, after a look. */
async function looked(tenant: Tenant, options: Parameters<Tenant['run']>[0] = {}): Promise<string> {
  const { reason, message } = await tenant.run(options)
  return `${reason}: ${message}`
}

const writesSince = async (tenant: Tenant, mark: Awaited<ReturnType<World['plane']['auditMark']>>) =>
  writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace)

const approve = (tenant: Tenant, digest: string, plan: unknown) =>
  tenant.annotate({ 'waybill.dev/approve': `${digest} ${plan}` })

test('with sync: approve, each new release waits for its own plan to be approved, while drift of the approved one is put back', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, [greeting('one')])
  await tenant.deliver({ sync: 'approve' })
  const mark = await world.plane.auditMark()
  assert.match(await looked(tenant), /^AwaitingApproval: .*waybill approve app sha256:/)
  assert.deepEqual(await writesSince(tenant, mark), [], 'the first release waits too')
  assert.equal(await status(tenant, 'plan', 'digest'), first)
  const changes = await status(tenant, 'plan', 'changes', 'listed')
  assert.deepEqual(changes, [{ action: 'create', object: `ConfigMap ${tenant.namespace}/greeting` }])
  assert.equal(await tenant.kinds(), 'AwaitingApproval')
  const plan = await status(tenant, 'plan', 'plan')
  await looked(tenant)
  assert.equal(await status(tenant, 'plan', 'plan'), plan, 'it is the same plan at each look')

  await approve(tenant, first, plan)
  assert.match(await looked(tenant), /^Applied/)
  assert.equal(await hello(tenant), 'one')
  assert.equal(await tenant.kinds(), 'AwaitingApproval Approved Intent Applied')
  const [, approved] = await tenant.records()
  assert.equal(approved?.trigger.type, 'approval')
  assert.equal(approved?.trigger.reason, `plan ${plan}`)
  assert.ok(approved?.trigger.by)
  assert.equal(await status(tenant, 'plan'), undefined)

  const second = promote(tenant, 2, [greeting('two')])
  await drift(tenant)
  assert.match(await looked(tenant), /^AwaitingApproval: .*runs on$/)
  assert.equal(await hello(tenant), 'one', 'drift is put back while it waits')
  assert.equal(await tenant.kinds(), 'AwaitingApproval Approved Intent Applied AwaitingApproval Intent DriftCorrected')
  const next = await status(tenant, 'plan', 'plan')
  await approve(tenant, first, next)
  assert.match(await looked(tenant), /^AwaitingApproval/, 'an approval of another digest')
  await approve(tenant, second, plan)
  assert.match(await looked(tenant), /^AwaitingApproval: .*no longer true/, 'an approval of another plan')
  assert.equal(await hello(tenant), 'one')
  await approve(tenant, second, next)
  assert.match(await looked(tenant), /^Applied/)
  assert.equal(await hello(tenant), 'two')
})

test('a plan that has gone stale before its approval came is shown anew, and asks again', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, [greeting('one'), configMap('other', { a: '1' })])
  await tenant.deliver({ sync: 'approve', adopt: 'always' })
  await looked(tenant)
  const before = await status(tenant, 'plan', 'plan')
  const collection = `/api/v1/namespaces/${tenant.namespace}/configmaps`
  await world.plane.api('POST', collection, { body: { metadata: { name: 'other' }, data: { a: 'of another' } } })
  await approve(tenant, digest, before)
  const mark = await world.plane.auditMark()
  assert.match(await looked(tenant), /no longer true/)
  assert.deepEqual(await writesSince(tenant, mark), [])
  const now = await status(tenant, 'plan', 'plan')
  assert.notEqual(now, before)
  await approve(tenant, digest, now)
  assert.match(await looked(tenant), /^Applied/)
  assert.equal(field((await tenant.get(path(tenant, 'other'))).body, 'data', 'a'), '1')
})

test('an approval is used up: after going back, the same step forward is asked for again', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, [greeting('one')])
  await tenant.deliver()
  await looked(tenant)
  const second = promote(tenant, 2, [greeting('two')])
  await tenant.deliver({ sync: 'approve' })
  await looked(tenant)
  await approve(tenant, second, await status(tenant, 'plan', 'plan'))
  await looked(tenant)
  assert.equal(await hello(tenant), 'two')
  await tenant.deliver({ sync: 'approve', hold: { digest: first } })
  assert.match(await looked(tenant), /^Held/, 'a person who holds needs no approval')
  assert.equal(await hello(tenant), 'one')
  await tenant.deliver({ sync: 'approve' })
  const asked = await looked(tenant)
  assert.match(asked, /^AwaitingApproval/)
  assert.doesNotMatch(asked, /no longer true/, 'that plan was carried out')
  assert.equal(await hello(tenant), 'one')
})

test('with sync: observe, plan and drift are told, and nothing is written', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, [greeting('one')])
  await tenant.deliver({ sync: 'observe' })
  let mark = await world.plane.auditMark()
  assert.match(await looked(tenant), /^Observed: 1 change to sha256:/)
  assert.deepEqual(await writesSince(tenant, mark), [])
  assert.equal(await tenant.kinds(), '')
  assert.equal((await tenant.get(path(tenant))).status, 404)

  await tenant.deliver({ sync: 'automatic' })
  assert.match(await looked(tenant), /^Applied/)
  await tenant.deliver({ sync: 'observe' })
  assert.match(await looked(tenant), /^Applied/, 'nothing differs')
  await drift(tenant)
  const second = promote(tenant, 2, [greeting('two')])
  mark = await world.plane.auditMark()
  const kinds = await tenant.kinds()
  assert.match(await looked(tenant), /^Observed/)
  assert.deepEqual(await writesSince(tenant, mark), [])
  assert.equal(await tenant.kinds(), kinds)
  assert.equal(await hello(tenant), 'nobody')
  assert.equal(await status(tenant, 'plan', 'digest'), second)
  assert.equal(await status(tenant, 'drift', 'objects'), 1)
  assert.equal((await tenant.condition('Drifted'))?.status, 'True')
  await tenant.deliver({ sync: 'automatic', hold: { digest: second } })
  await looked(tenant)
  await tenant.deliver({ sync: 'observe', hold: { digest: first } })
  assert.match(await looked(tenant), /^Observed: 1 change to sha256:/)
  assert.equal(await status(tenant, 'drift'), undefined, 'what runs is as it was applied')
})

test('a newer release that would have to wait takes no place of one that is on its way', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, [deployment('api')])
  await tenant.deliver({ sync: 'approve', interval: '1s' })
  await looked(tenant)
  await approve(tenant, first, await status(tenant, 'plan', 'plan'))
  const over = tenant.run({ waitTimeoutMs: 5_000, signal: AbortSignal.timeout(60_000) })
  await world.plane.eventually(
    'it is waited for',
    async () => (await tenant.kinds()) === 'AwaitingApproval Approved Intent',
  )
  const second = promote(tenant, 2, [deployment('api'), greeting('two')])
  assert.match((await over).message, /waits for approval/)
  assert.equal(await tenant.kinds(), 'AwaitingApproval Approved Intent Failed AwaitingApproval')
  assert.equal((await tenant.records()).at(-2)?.error?.code, 'HEALTH_TIMEOUT')
  assert.equal(await status(tenant, 'plan', 'digest'), second)
})

/** The machine's clock, so much later. */
const later = (ms: number): Clock => ({ ...systemClock, nowMs: () => Date.now() + ms })
const HOUR = 3_600_000

test('outside its windows a new release waits, the first one too, while drift is put back and a hold is let through', async () => {
  const tenant = await world.tenant()
  const start = `${new Date(Date.now() + 2 * HOUR).getUTCMinutes()} ${new Date(Date.now() + 2 * HOUR).getUTCHours()} * * *`
  const windows = [{ kind: 'allow', start, duration: '1h' }]
  const first = promote(tenant, 1, [greeting('one')])
  await tenant.deliver({ windows })
  assert.match(await looked(tenant), /^OutsideWindow: .*the next opens at 20/)
  assert.equal((await tenant.get(path(tenant))).status, 404)
  const clock = later(2 * HOUR + 60_000)
  assert.match(await looked(tenant, { clock }), /^Applied/)
  promote(tenant, 2, [greeting('two')])
  assert.match(await looked(tenant, { clock }), /^Applied/)
  const third = promote(tenant, 3, [greeting('three')])
  await drift(tenant)
  assert.match(await looked(tenant), /^OutsideWindow: .*runs on$/)
  assert.equal(await hello(tenant), 'two')
  assert.match(await tenant.kinds(), /Intent DriftCorrected$/)
  await tenant.deliver({ windows, hold: { digest: first } })
  assert.match(await looked(tenant), /^Held/)
  assert.equal(await hello(tenant), 'one')
  await tenant.deliver({ windows, source: { repository: tenant.repository, digest: third }, environment: 'production' })
  assert.match(await looked(tenant), /^OutsideWindow/, 'an edit of the source waits')
  assert.equal(await hello(tenant), 'one')
})

test('an approved release waits for its window, and is asked for again by nobody when it opens', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, [greeting('one')])
  const windows = [{ kind: 'deny', start: '* * * * *', duration: '1h' }]
  await tenant.deliver({ sync: 'approve', windows })
  assert.match(await looked(tenant), /^AwaitingApproval/)
  await approve(tenant, digest, await status(tenant, 'plan', 'plan'))
  assert.match(await looked(tenant), /^OutsideWindow: .*is approved, waits for a window/)
  assert.equal(await tenant.kinds(), 'AwaitingApproval')
})

test('a suspended Delivery is left alone until its end comes: no drift is put back, and the registry is not asked', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, [greeting('one')])
  await tenant.deliver()
  await looked(tenant)
  promote(tenant, 2, [greeting('two')])
  await drift(tenant)
  const until = new Date(Date.now() + HOUR).toISOString()
  await tenant.deliver({ suspend: { reason: 'the database moves', until } })
  const asked = world.registry.requests.length
  const mark = await world.plane.auditMark()
  assert.match(await looked(tenant), /^Suspended: hands off until .*: the database moves$/)
  await looked(tenant)
  assert.deepEqual(await writesSince(tenant, mark), [])
  assert.equal(world.registry.requests.length, asked)
  assert.equal(await hello(tenant), 'nobody')
  assert.equal(await tenant.kinds(), 'Intent Applied Suspended')
  const [suspended] = (await tenant.records()).slice(-1)
  assert.equal(suspended?.trigger.reason, `until ${until}: the database moves`)
  assert.equal(suspended?.trigger.by, 'person')

  assert.match(await looked(tenant, { clock: later(HOUR) }), /^Applied/)
  assert.equal(await hello(tenant), 'two')
  assert.equal(await spec(tenant, 'suspend'), undefined, 'the field is taken out')
  assert.equal(await tenant.kinds(), 'Intent Applied Suspended Resumed Intent Applied')
  assert.equal((await tenant.records()).find(({ kind }) => kind === 'Resumed')?.trigger.type, 'expiry')
})

test('a person who takes a suspension back resumes it, and that is on record', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, [greeting('one')])
  await tenant.deliver({ suspend: {} })
  assert.match(await looked(tenant), /^Suspended: hands off, drift included$/)
  await tenant.deliver()
  assert.match(await looked(tenant), /^Applied/)
  assert.equal(await tenant.kinds(), 'Suspended Resumed Intent Applied')
  assert.equal((await tenant.records())[1]?.trigger.type, 'spec')
})

test('a hold whose end has come is lifted: the Delivery follows its source again, and the records say why', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, [greeting('one')])
  await tenant.deliver()
  await looked(tenant)
  promote(tenant, 2, [greeting('two')])
  await looked(tenant)
  const until = new Date(Date.now() + HOUR).toISOString()
  await tenant.deliver({ hold: { digest: first, until, reason: 'checkout fails' } })
  assert.match(await looked(tenant), /^Held/)
  assert.equal(await hello(tenant), 'one')
  assert.match(await looked(tenant, { clock: later(HOUR) }), /^Applied/)
  assert.equal(await hello(tenant), 'two')
  assert.equal(await spec(tenant, 'hold'), undefined)
  const last = (await tenant.records()).slice(-3)
  assert.deepEqual(
    last.map(({ kind, trigger }) => `${kind} ${trigger.type}`),
    ['Resumed expiry', 'Intent expiry', 'Applied expiry'],
  )
  assert.match(String(last[1]?.trigger.reason), /the hold ended at .*: checkout fails/)
})
