import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { pino } from 'pino'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { systemClock } from '../../../puller/clock.ts'
import { type PullerOptions, runPuller } from '../../../puller/puller.ts'
import { field } from '../../real/control-plane.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'
import { type FakeReceiver, startReceiver } from './receiver.ts'

let world: World
const folder = mkdtempSync(join(tmpdir(), 'waybill-outside-'))
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const channel = 'production'
const greeting = (hello: string) => configMap('greeting', { hello })
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A tenant whose first release says hello to the world. */
async function published(spec: Record<string, unknown> = {}, objects = [greeting('world')]): Promise<Tenant> {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', objects), { version: '1.0.0', promotion: { channel, sequence: 1 } })
  await tenant.deliver(spec)
  return tenant
}

function publishSecond(tenant: Tenant, objects = [greeting('moon')]): void {
  tenant.publish(tenant.release('2', objects), { version: '1.1.0', promotion: { channel, sequence: 2 } })
}

/** A puller that runs until it is stopped, or the test is over. */
async function start(tenant: Tenant, options: Partial<PullerOptions> = {}) {
  const end = new AbortController()
  const { promise: listening, resolve } = Promise.withResolvers<string>()
  const over = runPuller({
    kubeconfig: world.kubeconfig,
    cacheDir: tenant.cacheDir,
    plainHttp: true,
    onlyNamespaces: [tenant.namespace],
    log: pino({ level: process.env.WAYBILL_TEST_LOG ?? 'silent' }),
    signal: end.signal,
    listen: { host: '127.0.0.1', port: 0 },
    notifyAnywhere: true,
    onListening: ({ port }) => resolve(`http://127.0.0.1:${port}`),
    ...options,
  })
  const stop = async () => {
    end.abort()
    await over
  }
  ends.push(stop)
  return { url: await Promise.race([listening, over.then(() => '')]), stop }
}

const kindsBecome = (tenant: Tenant, kinds: string) =>
  world.plane
    .eventually(`records ${kinds}`, async () => (await tenant.kinds()) === kinds)
    .catch(async () => assert.equal(await tenant.kinds(), kinds))

async function eventsOf(tenant: Tenant) {
  const { body } = await tenant.get(`/api/v1/namespaces/${tenant.namespace}/events`)
  const items = field(body, 'items')
  return (Array.isArray(items) ? items : [])
    .filter((one) => field(one, 'involvedObject', 'kind') === 'Delivery')
    .map((one) => ({
      reason: field(one, 'reason'),
      count: field(one, 'count'),
      message: String(field(one, 'message')),
    }))
}
const reasonsOf = async (tenant: Tenant) => (await eventsOf(tenant)).map(({ reason }) => reason)

test('kubectl answers what runs here, since when, and whether it is well, and waits for it', async () => {
  const tenant = await published()
  const kubectl = (...args: string[]) => world.plane.runKubectl([...args, '-n', tenant.namespace])
  await tenant.run()
  const [header = '', row = ''] = (await kubectl('get', 'wd')).trim().split('\n')
  assert.deepEqual(header.split(/\s{2,}/), ['NAME', 'RUNS', 'SINCE', 'READY', 'REASON', 'DRIFTED', 'AGE'])
  assert.match(row, /^app\s+1\.0\.0\s+\d+\w*\s+True\s+Applied\s+False\s+\d+/)
  const wide = await kubectl('get', 'wd', '-o', 'wide')
  for (const word of ['VERIFIED', 'HEALTHY', 'CHANNEL', 'MESSAGE', tenant.repository, 'is applied and healthy'])
    assert.ok(wide.includes(word), `${word} in\n${wide}`)
  for (const condition of ['Ready', 'Verified', 'Healthy', 'Drifted=False'])
    await kubectl('wait', 'wd/app', `--for=condition=${condition}`, '--timeout=10s')
})

test('a release that was edited away again is not taken for ready: waiting for a condition waits for this generation', async () => {
  const tenant = await published()
  await tenant.run()
  await tenant.deliver({ interval: '2h', environment: 'nowhere' })
  await assert.rejects(
    world.plane.runKubectl(['wait', 'wd/app', '-n', tenant.namespace, '--for=condition=Ready', '--timeout=1s']),
  )
  await tenant.run()
  const delivery = await tenant.delivery()
  assert.equal(field(delivery, 'status', 'observedGeneration'), field(delivery, 'metadata', 'generation'))
  assert.equal((await tenant.condition('Ready'))?.status, 'False')
})

test('Events tell once what was recorded, also after a restart, and kubectl describe shows them', async () => {
  const tenant = await published()
  await tenant.run()
  assert.deepEqual(await reasonsOf(tenant), ['Applied'])
  await tenant.run()
  await tenant.run()
  assert.deepEqual(await reasonsOf(tenant), ['Applied'])
  publishSecond(tenant)
  await tenant.run()
  assert.deepEqual(await reasonsOf(tenant), ['Applied', 'Applied'])
  const described = await world.plane.runKubectl(['describe', 'wd', 'app', '-n', tenant.namespace])
  assert.match(described, /Events:\n\s+Type\s+Reason[\s\S]*Normal\s+Applied[\s\S]*1\.1\.0 .* is applied and healthy/)
})

test('what goes wrong again and again is one Event that counts', async () => {
  const tenant = await published()
  await tenant.run()
  const at = `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting?fieldManager=somebody`
  const drift = () =>
    world.plane.api('PATCH', at, { body: { data: { hello: 'x' } }, contentType: 'application/merge-patch+json' })
  await drift()
  await tenant.run()
  await drift()
  await tenant.run()
  const corrected = (await eventsOf(tenant)).filter(({ reason }) => reason === 'DriftCorrected')
  assert.equal(corrected.length, 1)
  assert.equal(corrected[0]?.count, 2)
  assert.match(corrected[0]?.message ?? '', /ConfigMap .*greeting \(.*data\.hello/)
})

test('a registry that does not answer is told as an Event, and that it does again', async () => {
  const tenant = await published()
  await tenant.run()
  const { repository } = tenant
  await tenant.deliver({ source: { repository: repository.replace(/:\d+\//, ':1/'), mirrorOf: repository, channel } })
  await tenant.run()
  assert.ok((await reasonsOf(tenant)).includes('REGISTRY_UNREACHABLE'), String(await reasonsOf(tenant)))
  assert.equal((await tenant.condition('Verified'))?.status, 'Unknown')
  await tenant.deliver()
  await tenant.run()
  assert.ok((await reasonsOf(tenant)).includes('Recovered'), String(await reasonsOf(tenant)))
})

test('the log has one line for each outcome, and none for looks that find the same', async () => {
  const tenant = await published()
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const told = () => lines.filter(({ delivery }) => delivery === `${tenant.namespace}/app`).map(({ reason }) => reason)
  await tenant.run({ log })
  assert.deepEqual(told(), ['Applied'])
  await tenant.run({ log })
  assert.deepEqual(told(), ['Applied'])
  tenant.put(tenant.release('3', [greeting('mars')]), [], channel)
  await tenant.run({ log })
  await tenant.run({ log })
  assert.deepEqual(told(), ['Applied', 'SIGNATURE_MISSING'])
})

test('metrics, health and readiness are served, without a secret in them', async () => {
  const tenant = await published()
  const { url } = await start(tenant)
  await kindsBecome(tenant, 'Intent Applied')
  await world.plane.eventually('ready', async () => (await fetch(`${url}/readyz`)).status === 200)
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  assert.equal((await fetch(`${url}/hooks/harbor`, { method: 'POST', body: '{}' })).status, 404)
  const seen = async () => {
    const answer = await fetch(`${url}/metrics`)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=/)
    return answer.text()
  }
  const of = `namespace="${tenant.namespace}",name="app"`
  await world.plane.eventually('the Delivery in metrics', async () =>
    (await seen()).includes(`waybill_delivery_condition{${of},type="Ready"} 1`),
  )
  const text = await seen()
  for (const line of [
    `waybill_delivery_info{${of},version="1.0.0",digest="sha256:`,
    `waybill_delivery_applied_timestamp_seconds{${of}}`,
    'waybill_verifications_total{code="OK"}',
    'waybill_records_total{kind="Applied"} 1',
    'waybill_registry_requests_total{operation="resolve-tag",code="OK"}',
    'waybill_api_requests_total{verb="patch",resource="configmaps",status="201",dry_run="false"} 1',
    'waybill_queue_waiting 0',
    'waybill_leader 1',
    ...['resolve', 'verify', 'fetch', 'plan', 'apply', 'wait', 'record'].map(
      (stage) => `waybill_reconcile_stage_duration_seconds_count{stage="${stage}"}`,
    ),
  ])
    assert.ok(text.includes(line), `${line} in\n${text}`)
  assert.ok(!/bearer|authorization|password/i.test(text))
  await world.plane.api('DELETE', `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveries/app`)
  await world.plane.eventually('nothing is left of it', async () => !(await seen()).includes(of))
})

const KEY = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`

async function notifying(receiver: FakeReceiver, notifications: readonly Record<string, unknown>[]): Promise<Tenant> {
  const tenant = await published({ notifications })
  const made = await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/secrets`, {
    body: {
      metadata: { name: 'team' },
      data: { url: Buffer.from(receiver.url).toString('base64'), key: Buffer.from(KEY).toString('base64') },
    },
  })
  assert.equal(made.status, 201)
  return tenant
}
const team = { name: 'team', type: 'cloudevents', secret: { name: 'team' } }
const eventsIn = (receiver: FakeReceiver) =>
  receiver.received.map(({ body }) => {
    const event: unknown = JSON.parse(body)
    return { id: field(event, 'id'), type: String(field(event, 'type')).replace('dev.waybill.record.', '') }
  })

test('a signed notification tells what was recorded, and nothing is told twice', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [team, { name: 'chat', type: 'slack', secret: { name: 'team' } }])
  await tenant.run({ notifyAnywhere: true })
  assert.equal(receiver.received.length, 2)
  const signed = receiver.received.find(({ headers }) => headers['webhook-id'] !== undefined)
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = signed?.headers ?? {}
  const key = Buffer.from(KEY.slice('whsec_'.length), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${signed?.body}`).digest('base64')
  assert.equal(signature, `v1,${expected}`)
  const event: unknown = JSON.parse(signed?.body ?? '')
  assert.equal(field(event, 'specversion'), '1.0')
  assert.equal(field(event, 'type'), 'dev.waybill.record.applied')
  const chat = receiver.received.find(({ headers }) => headers['webhook-id'] === undefined)
  assert.match(
    chat?.body ?? '',
    new RegExp(`^\\{"text":"${tenant.namespace}/app: 1.0.0 .* is applied and healthy"\\}$`),
  )
  await tenant.run({ notifyAnywhere: true })
  assert.equal(receiver.received.length, 2)
})

test('an outage of the receiver loses nothing, over restarts too, and what is repeated keeps its id', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [team])
  receiver.answer = () => ({ status: 503 })
  await tenant.run({ notifyAnywhere: true })
  publishSecond(tenant)
  await tenant.run({ notifyAnywhere: true })
  const failed = new Set(eventsIn(receiver).map(({ id }) => id))
  assert.equal(failed.size, 1, 'in order: the second waits for the first')
  const notified = field(await tenant.delivery(), 'status', 'notified')
  assert.match(JSON.stringify(notified), /"error":"NOTIFICATION_FAILED: the receiver answered 503"/)
  receiver.answer = () => ({ status: 204 })
  const before = receiver.received.length
  await tenant.run({ notifyAnywhere: true })
  const delivered = eventsIn(receiver).slice(before)
  assert.deepEqual(
    delivered.map(({ type }) => type),
    ['applied', 'applied'],
  )
  assert.ok(failed.has(delivered[0]?.id))
  assert.deepEqual(field(await tenant.delivery(), 'status', 'notified'), [{ name: 'team', sequence: 4 }])
})

test('who is to approve a release is told once, over restarts too', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [team])
  await tenant.deliver({ notifications: [team], sync: 'approve' })
  receiver.answer = () => ({ status: 503 })
  await tenant.run({ notifyAnywhere: true })
  receiver.answer = () => ({ status: 204 })
  await tenant.run({ notifyAnywhere: true })
  await tenant.run({ notifyAnywhere: true })
  const [failed, ...told] = eventsIn(receiver)
  assert.deepEqual(told, [failed])
  assert.equal(failed?.type, 'awaitingapproval')
  assert.deepEqual(
    (await eventsOf(tenant)).map(({ reason }) => reason),
    ['AwaitingApproval'],
  )
})

test('a removal that a puller was stopped in is told by the next one', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [team])
  await tenant.deliver({ notifications: [team], deletion: 'delete' })
  await tenant.run({ notifyAnywhere: true })
  const at = `/api/v1/namespaces/${tenant.namespace}/configmaps/greeting`
  const finalizers = (value: readonly string[] | null) =>
    world.plane.api('PATCH', at, {
      body: { metadata: { finalizers: value } },
      contentType: 'application/merge-patch+json',
    })
  await finalizers(['example.com/wait'])
  await world.plane.api('DELETE', `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveries/app`)
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 500), signal),
  }
  await tenant.run({ notifyAnywhere: true, clock })
  assert.equal(await tenant.kinds(), 'Intent Applied Intent')
  await finalizers(null)
  await tenant.run({ notifyAnywhere: true })
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Removed')
  assert.deepEqual(
    eventsIn(receiver).map(({ type }) => type),
    ['applied', 'removed'],
  )
})

test('a notification that is new begins at the present, and one that is gone is forgotten', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [])
  await tenant.run({ notifyAnywhere: true })
  await tenant.deliver({ notifications: [team] })
  await tenant.run({ notifyAnywhere: true })
  const told = receiver.received.length
  publishSecond(tenant)
  await tenant.run({ notifyAnywhere: true })
  assert.ok(eventsIn(receiver).every(({ id }) => !String(id).includes('-0000000001')))
  assert.equal(receiver.received.length, told + 1)
  await tenant.deliver()
  await tenant.run({ notifyAnywhere: true })
  assert.equal(field(await tenant.delivery(), 'status', 'notified'), undefined)
})

test('the API server refuses two notifications of one name, and kinds of records that there are not', async () => {
  const tenant = await world.tenant()
  await assert.rejects(
    tenant.deliver({ notifications: [team, { ...team, type: 'slack' }] }),
    /duplicate entries for key/,
  )
  await assert.rejects(tenant.deliver({ notifications: [{ ...team, kinds: ['Aplied'] }] }), /Unsupported value/)
})

test('a receiver that never answers holds up no release', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  receiver.answer = () => 'silence'
  const tenant = await notifying(receiver, [team])
  await start(tenant)
  await kindsBecome(tenant, 'Intent Applied')
  await world.plane.eventually('the receiver was asked', async () => receiver.received.length > 0)
  publishSecond(tenant)
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  await kindsBecome(tenant, 'Intent Applied Intent Applied')
})

test('a notification to this machine or over plain HTTP is refused, and says so without the address', async (t) => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const tenant = await notifying(receiver, [team])
  await tenant.run({ notifyAnywhere: false })
  assert.equal(receiver.received.length, 0)
  const notified = JSON.stringify(field(await tenant.delivery(), 'status', 'notified'))
  assert.match(notified, /NOTIFICATION_REFUSED/)
  assert.ok(!notified.includes('127.0.0.1') && !notified.includes('hook'))
})

const SECRET = 'a secret of the registry'

async function hooked(tenant: Tenant) {
  const hookSecretFile = join(folder, tenant.namespace)
  writeFileSync(hookSecretFile, `${SECRET}\n`)
  return start(tenant, { hookSecretFile })
}

test('a webhook of a registry makes it look at once, at the Deliveries of that repository', async () => {
  const tenant = await published()
  const { url } = await hooked(tenant)
  await kindsBecome(tenant, 'Intent Applied')
  publishSecond(tenant)
  const push = (headers: Record<string, string>, repository: string) =>
    fetch(`${url}/hooks/distribution`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        events: [{ action: 'push', target: { repository, digest: `sha256:${'0'.repeat(64)}` } }],
      }),
    })
  const path = `${tenant.namespace}/shop`
  assert.equal((await push({}, path)).status, 401)
  assert.equal((await push({ authorization: 'Bearer another one, as long' }, path)).status, 401)
  const authorization = `Bearer ${SECRET}`
  assert.match(await (await push({ authorization }, 'other/shop')).text(), /^0 /)
  assert.equal((await push({ authorization }, path)).status, 202)
  await kindsBecome(tenant, 'Intent Applied Intent Applied')
})

test('webhooks take nothing for a fact: a forged one leads to no other digest than the tag', async () => {
  const tenant = await published()
  const { url } = await hooked(tenant)
  await kindsBecome(tenant, 'Intent Applied')
  const digest = `sha256:${'1'.repeat(64)}`
  const body = JSON.stringify({ name: `${tenant.namespace}/shop`, reference: channel, digest, manifest: '{}' })
  const headers = { authorization: `Basic ${Buffer.from(`zot:${SECRET}`).toString('base64')}` }
  const before = world.registry.requests?.length
  assert.equal((await fetch(`${url}/hooks/zot`, { method: 'POST', headers, body })).status, 202)
  await world.plane.eventually('the registry was asked', async () => world.registry.requests?.length !== before)
  assert.equal(await tenant.kinds(), 'Intent Applied')
  const status = field(await tenant.delivery(), 'status')
  assert.ok(isJsonObject(status) && !JSON.stringify(status).includes(digest))
})

test('two replicas: the one that stands by is ready too, and says that it does not lead', async () => {
  const tenant = await published()
  const leaderElection = { host: 'one' }
  const [one, other] = [await start(tenant, { leaderElection }), await start(tenant, { leaderElection })]
  const leads = async (url: string) => /^waybill_leader (\d)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]
  await world.plane.eventually('one leads and one stands by', async () =>
    ['0', '1'].every(
      (
        (seen) => (wanted) =>
          seen.includes(wanted)
      )([(await leads(one.url)) ?? '', (await leads(other.url)) ?? '']),
    ),
  )
  for (const { url } of [one, other])
    await world.plane.eventually('ready', async () => (await fetch(`${url}/readyz`)).status === 200)
})
