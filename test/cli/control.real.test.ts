import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { configMap } from '../puller/release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from '../puller/world.ts'
import { field } from '../real/control-plane.ts'
import { assertFails, jsonError, waybillHere } from './command.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const greeting = (hello: string) => configMap('greeting', { hello })
const path = (tenant: Tenant) => `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
const hello = async (tenant: Tenant) => field((await tenant.get(path(tenant))).body, 'data', 'hello')
const say = (tenant: Tenant, verb: string, ...args: readonly string[]) =>
  waybillHere([verb, ...args, '-n', tenant.namespace, '--kubeconfig', world.plane.kubeconfig])

async function told(tenant: Tenant, verb: string, ...args: readonly string[]): Promise<string> {
  const ran = await say(tenant, verb, ...args)
  assert.equal(ran.status, 0, `${verb}: ${ran.stderr}${ran.stdout}`)
  return ran.stdout
}

const document = async (tenant: Tenant, verb: string, ...args: readonly string[]) =>
  JSON.parse(await told(tenant, verb, ...args, '--output', 'json'))

function promote(tenant: Tenant, sequence: number, hello: string) {
  const packed = tenant.release(hello, [greeting(hello)])
  tenant.publish(packed, { promotion: { channel: 'production', sequence } })
  return packed.digest
}

test('a plan that waits is shown with the command that approves it, and that command has it done', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, 'one')
  await tenant.deliver({ sync: 'approve' })
  assertFails(await say(tenant, 'approve', digest), 2, 'APPROVAL_MISSING')
  assertFails(await say(tenant, 'approve', 'app', digest), 2, 'APPROVAL_MISSING')
  await tenant.run()
  assert.match(await told(tenant, 'get'), / approval +AwaitingApproval/)
  const text = await told(tenant, 'plan', 'app')
  assert.match(text, /^\+ +create ConfigMap .*\/greeting$/m)
  const command = /waybill approve (app sha256:\S+) -n \S+ (--plan sha256:\S+)/.exec(text)
  assert.ok(command, text)

  const other = `sha256:${'0'.repeat(64)}`
  assertFails(await say(tenant, 'approve', 'app', other), 3, 'PLAN_STALE')
  assertFails(await say(tenant, 'approve', 'app', digest, '--plan', other), 3, 'PLAN_STALE')
  assertFails(await say(tenant, 'approve', 'app', 'latest'), 2, 'DIGEST_INVALID')
  await tenant.run()
  assert.equal((await tenant.get(path(tenant))).status, 404)

  assert.match(await told(tenant, 'approve', ...`${command[1]} ${command[2]}`.split(' ')), /is approved/)
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'one')
  assert.equal((await tenant.records())[1]?.trigger.by, 'waybill-approve')
  assertFails(await say(tenant, 'approve', 'app', digest), 2, 'APPROVAL_MISSING')
})

test('a digest alone approves the one Delivery of the namespace that waits with it', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, 'one')
  await tenant.deliver({ sync: 'approve' })
  await tenant.run()
  assert.equal((await document(tenant, 'approve', digest)).name, 'app')
  assert.equal((await tenant.run()).ready, true)
})

test('who approves outside the windows, or lifts a hold, is told what comes next', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, 'one')
  const windows = [{ kind: 'deny', start: '* * * * *', duration: '1h' }]
  await tenant.deliver({ sync: 'approve', windows })
  await tenant.run()
  const [waits] = (await document(tenant, 'approve', 'app', digest)).waits
  assert.match(waits, /^It waits for a window: none that opens was found\./)
  await tenant.deliver({ sync: 'approve', hold: { digest } })
  assert.match(await told(tenant, 'unhold', 'app'), /\n.*waits for approval \(`waybill plan app -n /)
  await tenant.run()
  await tenant.deliver({ sync: 'approve', suspend: {} })
  await tenant.run()
  const refused = await say(tenant, 'approve', 'app')
  assertFails(refused, 2, 'APPROVAL_MISSING')
  assert.match(refused.stderr, /it is suspended/)
})

test('on a terminal approve shows the plan and asks; a no changes nothing', async () => {
  const tenant = await world.tenant()
  const digest = promote(tenant, 1, 'one')
  await tenant.deliver({ sync: 'approve' })
  await tenant.run()
  const args = ['approve', 'app', digest, '-n', tenant.namespace, '--kubeconfig', world.plane.kubeconfig]
  const no = await waybillHere(args, { ask: async () => false })
  assert.equal(no.status, 3)
  assert.match(no.stderr, /^\+ +create ConfigMap .*\/greeting$/m)
  assert.equal(field(await tenant.delivery(), 'metadata', 'annotations', 'waybill.dev/approve'), undefined)
  assert.equal((await waybillHere(args, { ask: async () => true })).status, 0)
  assert.equal((await tenant.run()).ready, true)
})

test('plan says what would change now, with the rights of who asks, and writes nothing', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, 'one')
  await tenant.deliver()
  const before = await document(tenant, 'plan', 'app', '--plain-http')
  assert.deepEqual([before.madeBy, before.digest, before.changes.total], ['you', first, 1])
  assert.equal(before.changes.listed[0].action, 'create')
  await tenant.run()
  const mark = await world.plane.auditMark()
  assert.equal((await document(tenant, 'plan', 'app', '--plain-http')).changes.total, 0)
  promote(tenant, 2, 'two')
  const next = await document(tenant, 'plan', 'app', '--plain-http')
  assert.deepEqual(next.changes.listed, [
    { action: 'configure', object: `ConfigMap ${tenant.namespace}/greeting`, fields: ['data.hello'] },
  ])
  const events = await world.plane.auditSince(mark)
  assert.deepEqual(writesToUsersObjects(events, tenant.namespace), [])
  const writes = events.filter(
    ({ verb, requestURI }) => !['get', 'list', 'watch'].includes(verb) && !/dryRun=All/.test(requestURI),
  )
  assert.deepEqual(
    writes.filter(({ requestURI }) => requestURI.includes(tenant.namespace)),
    [],
  )
  await tenant.deliver({ sync: 'approve' })
  const reason = (await tenant.run()).reason
  assert.equal(reason, 'AwaitingApproval')
  const [mine, pullers] = [
    await document(tenant, 'plan', 'app', '--plain-http', '--now'),
    await document(tenant, 'plan', 'app'),
  ]
  assert.equal(pullers.madeBy, 'puller')
  assert.equal(mine.plan, pullers.plan, 'it is the same plan, whoever makes it')
  await tenant.deliver({ sync: 'observe' })
  await tenant.run()
  const observed = await told(tenant, 'plan', 'app')
  assert.match(observed, /^Its sync is observe: nothing is written\.$/m)
  assert.doesNotMatch(observed, /waybill approve/)
})

test('what would be refused is told by plan with every object, and exits 3', async () => {
  const tenant = await world.tenant()
  await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/configmaps`, {
    body: { metadata: { name: 'greeting' }, data: {} },
  })
  promote(tenant, 1, 'one')
  await tenant.deliver()
  const ran = await say(tenant, 'plan', 'app', '--plain-http')
  assertFails(ran, 3, 'PLAN_REFUSED')
  assert.match(ran.stderr, /ConfigMap .*\/greeting: .*OBJECT_OWNED/)
})

test('suspend leaves a Delivery alone until resume, and get shows until when and why', async () => {
  const tenant = await world.tenant()
  promote(tenant, 1, 'one')
  await tenant.deliver()
  assertFails(await say(tenant, 'resume', 'app'), 2, 'SUSPEND_MISSING')
  const { suspended } = await document(tenant, 'suspend', 'app', '--for', '2h', '--reason', 'the database moves')
  assert.match(suspended.until, /^20.*Z$/)
  await tenant.run()
  assert.match(await told(tenant, 'get'), / suspended +Suspended/)
  assert.match(
    await told(tenant, 'get', 'app'),
    new RegExp(`^Suspended: +until ${suspended.until}: the database moves$`, 'm'),
  )
  await told(tenant, 'suspend', 'app')
  assert.deepEqual(field(await tenant.delivery(), 'spec', 'suspend'), {}, 'for good, and for no reason, now')
  await tenant.run()
  await told(tenant, 'resume', 'app', '--reason', 'it has moved')
  assert.equal((await tenant.run()).ready, true)
  const by = (await tenant.records()).map(({ kind, trigger }) => `${kind} ${trigger.by}`)
  assert.equal((await tenant.records())[2]?.trigger.reason, 'it has moved')
  assert.deepEqual(by.slice(0, 3), ['Suspended waybill-suspend', 'Suspended waybill-suspend', 'Resumed waybill-resume'])
})

test('a rollback for a time says when it ends, and one without after it has no end', async () => {
  const tenant = await world.tenant()
  const first = promote(tenant, 1, 'one')
  await tenant.deliver()
  await tenant.run()
  promote(tenant, 2, 'two')
  await tenant.run()
  const { until } = await document(
    tenant,
    'rollback',
    'app',
    '--steps',
    '1',
    '--for',
    '48h',
    '--reason',
    'checkout fails',
  )
  await tenant.run()
  assert.equal(await hello(tenant), 'one')
  assert.match(await told(tenant, 'get', 'app'), new RegExp(`^Held at: +${first} until ${until}: checkout fails$`, 'm'))
  await told(tenant, 'rollback', 'app', '--to', first)
  assert.deepEqual(field(await tenant.delivery(), 'spec', 'hold'), { digest: first })
})

test('an end that is no time, is over, or is given twice is wrong usage', async () => {
  const tenant = await world.tenant()
  for (const [args, says] of [
    [['--until', 'tomorrow'], /is no time/],
    [['--until', '2020-01-01T00:00:00Z'], /is over already/],
    [['--until', '2999-01-01T00:00:00Z', '--for', '1h'], /one of --until and --for/],
    [['--for', '2 days'], /30s, 5m or 1h/],
  ] as const) {
    const ran = await say(tenant, 'suspend', 'app', ...args)
    assertFails(ran, 2, 'USAGE')
    assert.match(ran.stderr, says)
  }
  const missing = await say(tenant, 'suspend', 'app', '--output', 'json')
  assert.equal(jsonError(missing).code, 'CLUSTER_NOT_FOUND')
})
