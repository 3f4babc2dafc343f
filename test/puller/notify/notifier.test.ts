import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '../../../contract/errors.ts'
import { type Delivery, deliverySpecSchema, type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import type { Sent } from '../../../puller/notify/http.ts'
import { createNotifier } from '../../../puller/notify/notifier.ts'
import { deliveryPath } from '../../../puller/observe.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { FakeClock } from '../fake-clock.ts'
import { A, chainOf, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const chain = (...all: RecordFacts[]) => chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))
const applied = (count: number) => chain(...Array.from({ length: count }, () => facts('Applied', { digest: A })))
const base64 = (text: string) => Buffer.from(text).toString('base64')
const at = deliveryPath(DELIVERY.namespace, DELIVERY.name)

function deliveryWith(names: readonly string[], notified?: Delivery['status']['notified']): Delivery {
  const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }
  const notifications = names.map((name) => ({ name, type: 'cloudevents', secret: { name: 'team' } }))
  const spec = deliverySpecSchema.parse({ source, ...(names.length === 0 ? {} : { notifications }) })
  const status = notified === undefined ? {} : { notified }
  return { ...DELIVERY, generation: 1, resourceVersion: '1', annotations: {}, spec, status }
}

/** A notifier whose receiver answers as `answers` say, one after another; then with 200. */
function notifying(...answers: (Sent | Error)[]) {
  const cluster = new FakeCluster()
  cluster.objects.set(`${at}/status`, { metadata: { uid: DELIVERY.uid } })
  cluster.objects.set(`/api/v1/namespaces/${DELIVERY.namespace}/serviceaccounts/waybill`, {})
  cluster.objects.set(`/api/v1/namespaces/${DELIVERY.namespace}/secrets/team`, {
    metadata: { uid: 's', resourceVersion: '1' },
    data: { url: base64('https://hooks.example.com/secret-path'), key: base64('0123456789abcdef0123456789abcdef') },
  })
  const clock = new FakeClock()
  const ids: string[] = []
  const lines: string[] = []
  const sender = {
    send: async (_url: URL, _headers: unknown, body: string) => {
      const event: { id: string } = JSON.parse(body)
      ids.push(event.id)
      const answer = answers.shift() ?? { status: 200 }
      if (answer instanceof Error) throw answer
      return answer
    },
    close: async () => {},
  }
  const write = (_fields: object, message: string) => void lines.push(message)
  const notifier = createNotifier({ cluster, clock, sender, log: { warn: write, info: write } })
  const notified = () => JSON.stringify(cluster.objects.get(`${at}/status`)?.status ?? {})
  return { cluster, clock, ids, lines, notifier, notified }
}
const sequencesOf = (ids: readonly string[]) => ids.map((id) => Number(/-(\d+)\/team$/.exec(id)?.[1]))

test('a new notification begins at the present, and that is written down before anything is recorded', async () => {
  const { notifier, notified, ids } = notifying()
  const delivery = deliveryWith(['team'])
  await notifier.begin(delivery, 2)
  assert.match(notified(), /\{"notified":\[\{"name":"team","sequence":2\}\]\}/)
  notifier.offer(delivery, applied(3))
  await notifier.idle()
  assert.deepEqual(sequencesOf(ids), [3])
  await notifier.end()
})

test('a receiver that fails is tried again, later and later, in order, and each with the id that it had', async () => {
  const down = { status: 500 }
  const { notifier, clock, ids, notified } = notifying(down, down, down)
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 2)
  notifier.offer(delivery, applied(2))
  await notifier.idle()
  assert.match(notified(), /"error":"NOTIFICATION_FAILED: the receiver answered 500"/)
  await clock.runUntil(999)
  assert.deepEqual(sequencesOf(ids), [1])
  await clock.runUntil(1_000)
  assert.deepEqual(sequencesOf(ids), [1, 1])
  await clock.runUntil(2_999)
  assert.deepEqual(sequencesOf(ids), [1, 1])
  await clock.runUntil(7_000)
  assert.deepEqual(sequencesOf(ids), [1, 1, 1, 1, 2])
  assert.equal(new Set(ids).size, 2)
  assert.match(notified(), /\[\{"name":"team","sequence":2\}\]/)
  await notifier.end()
})

test('a receiver that asks for time gets it', async () => {
  const { notifier, clock, ids } = notifying({ status: 429, retryAfterMs: 60_000 })
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 0)
  notifier.offer(delivery, applied(1))
  await clock.runUntil(59_999)
  assert.equal(ids.length, 1)
  await clock.runUntil(60_000)
  assert.equal(ids.length, 2)
  await notifier.end()
})

test('one receiver that is down holds up no other', async () => {
  const { notifier, ids } = notifying({ status: 500 })
  const delivery = deliveryWith(
    ['team', 'other'],
    ['team', 'other'].map((name) => ({ name, sequence: 0 })),
  )
  await notifier.begin(delivery, 0)
  notifier.offer(delivery, applied(1))
  await notifier.idle()
  assert.deepEqual(ids.map((id) => id.split('/')[1]).sort(), ['other', 'team'])
  await notifier.end()
})

test('how far it got is tried again where it could not be written, and what was delivered is not delivered twice', async () => {
  const { notifier, cluster, clock, ids, notified } = notifying()
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 0)
  let failures = 1
  cluster.onWrite = () => (failures-- > 0 ? 'crash-before' : undefined)
  notifier.offer(delivery, applied(1))
  await clock.runUntil(500)
  assert.equal(notified(), '{}')
  await clock.runUntil(60_000)
  assert.match(notified(), /"sequence":1/)
  notifier.offer(delivery, applied(2))
  await clock.runUntil(120_000)
  assert.deepEqual(sequencesOf(ids), [1, 2])
  await notifier.end()
})

test('a notification that was taken out and put back begins anew', async () => {
  const { notifier, ids, notified } = notifying()
  await notifier.begin(deliveryWith(['team'], [{ name: 'team', sequence: 1 }]), 1)
  await notifier.begin(deliveryWith([], [{ name: 'team', sequence: 1 }]), 1)
  assert.ok(!notified().includes('team'))
  const again = deliveryWith(['team'])
  await notifier.begin(again, 5)
  notifier.offer(again, applied(5))
  await notifier.idle()
  assert.deepEqual(ids, [])
  await notifier.end()
})

test('neither the address nor why it could not be reached is said, and it is logged once', async () => {
  const fault = new WaybillError('NOTIFICATION_FAILED', 'the receiver could not be reached', { cause: 'ECONNREFUSED' })
  const { notifier, clock, lines, notified } = notifying(fault, fault, fault)
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 0)
  notifier.offer(delivery, applied(1))
  await clock.runUntil(5_000)
  assert.deepEqual(lines, ['the receiver could not be reached'])
  assert.ok(!/ECONNREFUSED|hooks\.example|secret-path/.test(`${notified()}${lines}`))
  await notifier.end()
})

test('a Secret that is missing or holds no address is said, without what it holds', async () => {
  const { notifier, cluster, notified } = notifying()
  const path = `/api/v1/namespaces/${DELIVERY.namespace}/secrets/team`
  cluster.objects.set(path, { metadata: { uid: 's', resourceVersion: '2' }, data: { url: base64('hunter2') } })
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 0)
  notifier.offer(delivery, applied(1))
  await notifier.idle()
  assert.match(notified(), /NOTIFICATION_SECRET/)
  assert.ok(!notified().includes('hunter2'))
  assert.ok([...cluster.identities].some((as) => as !== 'puller' && as.serviceAccount === 'waybill'))
  await notifier.end()
})

test('as an account that was deleted nothing is read and nothing sent, until it is there again', async () => {
  const { cluster, clock, ids, notifier, notified } = notifying()
  const account = `/api/v1/namespaces/${DELIVERY.namespace}/serviceaccounts/waybill`
  cluster.objects.delete(account)
  const delivery = deliveryWith(['team'], [{ name: 'team', sequence: 0 }])
  await notifier.begin(delivery, 0)
  notifier.offer(delivery, applied(1))
  await notifier.idle()
  assert.deepEqual(ids, [])
  assert.match(notified(), /ACCOUNT_MISSING/)
  cluster.objects.set(account, {})
  await clock.runUntil(60_000)
  assert.deepEqual(sequencesOf(ids), [1])
  await notifier.end()
})

test('receivers of one namespace that never answer keep no other namespace waiting', async () => {
  const cluster = new FakeCluster()
  const sent: string[] = []
  const stuck = Promise.withResolvers<Sent>()
  const sender = {
    send: async (url: URL) => {
      sent.push(url.hostname)
      return url.hostname === 'slow.example.com' ? stuck.promise : { status: 200 }
    },
    close: async () => {},
  }
  const log = { warn: () => undefined, info: () => undefined }
  const notifier = createNotifier({ cluster, clock: new FakeClock(), sender, log })
  const names = Array.from({ length: 16 }, (_, i) => `n${i}`)
  for (const [namespace, host] of [
    ['slow', 'slow.example.com'],
    ['shop', 'fast.example.com'],
  ] as const) {
    cluster.objects.set(`/api/v1/namespaces/${namespace}/serviceaccounts/waybill`, {})
    cluster.objects.set(`${deliveryPath(namespace, DELIVERY.name)}/status`, { metadata: { uid: DELIVERY.uid } })
    cluster.objects.set(`/api/v1/namespaces/${namespace}/secrets/team`, {
      metadata: { uid: 's', resourceVersion: '1' },
      data: { url: base64(`https://${host}/`), key: base64('0123456789abcdef0123456789abcdef') },
    })
    const delivery = { ...deliveryWith(namespace === 'slow' ? names : ['team'], []), namespace }
    await notifier.begin(delivery, 0)
    notifier.offer(delivery, applied(1))
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(sent.filter((host) => host === 'slow.example.com').length, 4)
  assert.ok(sent.includes('fast.example.com'))
  stuck.resolve({ status: 200 })
  await notifier.end()
})
