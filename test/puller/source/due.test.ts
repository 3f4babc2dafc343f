import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import type { Delivery } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { nextRunOf } from '../../../puller/say/report.ts'
import { askedNow, dueSinceMs, scheduleOf } from '../../../puller/source/due.ts'

const digest = digestOf('a release')
const at = (text: string) => Date.parse(`2026-11-${text}Z`)

function delivery(more: { generation?: number; annotations?: object; spec?: object; status?: object } = {}): Delivery {
  return parseDelivery({
    metadata: {
      ...{ name: 'api', namespace: 'shop', uid: 'u', resourceVersion: '1' },
      generation: more.generation ?? 1,
      annotations: JSON.parse(JSON.stringify(more.annotations ?? {})),
    },
    spec: {
      source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
      schedule: '0 6 * * *',
      ...more.spec,
    },
    status: JSON.parse(JSON.stringify(more.status ?? {})),
  })
}

/** As it is after the source was asked at a time. */
function asked(text: string, more: Parameters<typeof delivery>[0] = {}) {
  const one = delivery(more)
  const schedule = askedNow(one, scheduleOf(one) ?? assert.fail(), at(text))
  return { schedule, resolved: { digest, at: '2026-11-20T06:00:00Z' } }
}

test('a new Delivery is looked up at once, and then at each time of its schedule', () => {
  assert.equal(dueSinceMs(delivery(), at('20T12:00:00')), 0)
  const status = asked('20T12:00:00')
  assert.equal(status.schedule.nextAt, '2026-11-21T06:00:00Z')
  assert.equal(dueSinceMs(delivery({ status }), at('21T05:59:59')), undefined)
  assert.equal(dueSinceMs(delivery({ status }), at('21T06:00:00')), at('21T06:00:00'))
  const later = asked('21T06:00:00')
  assert.equal(dueSinceMs(delivery({ status: later }), at('21T06:00:01')), undefined)
})

test('a time that passed while no puller ran, or no registry answered, is made up for', () => {
  const status = asked('20T12:00:00')
  assert.equal(dueSinceMs(delivery({ status }), at('23T15:00:00')), at('21T06:00:00'))
})

test('an edit of the Delivery, and a person who asks, do not wait for the schedule', () => {
  const status = asked('20T12:00:00')
  const now = at('20T13:00:00')
  assert.equal(dueSinceMs(delivery({ status, generation: 2 }), now), 0)
  const annotations = { 'waybill.dev/reconcile': 'now' }
  assert.equal(dueSinceMs(delivery({ status, annotations }), now), 0)
  assert.equal(dueSinceMs(delivery({ status: asked('20T12:00:00', { annotations }), annotations }), now), undefined)
  assert.equal(dueSinceMs(delivery({ status, annotations: { 'waybill.dev/confirm': digest } }), now), undefined)
})

test('without a schedule the source is always asked, and so it is where the status cannot be read', () => {
  assert.equal(
    dueSinceMs(delivery({ spec: { schedule: undefined }, status: asked('20T12:00:00') }), at('20T13:00:00')),
    0,
  )
  const { schedule, resolved } = asked('20T12:00:00')
  const garbled = { resolved, schedule: { ...schedule, askedAt: 'yesterday' } }
  assert.equal(dueSinceMs(delivery({ status: garbled }), at('20T13:00:00')), 0)
  assert.equal(dueSinceMs(delivery({ status: { schedule } }), at('20T13:00:00')), 0)
})

test('who says that the source was asked at a time that is yet to come, as a clock that went wrong does, does not put it off', () => {
  assert.equal(dueSinceMs(delivery({ status: asked('30T12:00:00') }), at('20T13:00:00')), 0)
  assert.equal(dueSinceMs(delivery({ status: asked('20T13:00:00') }), at('20T13:00:00')), undefined)
})

test('the next look is at the interval, or at the time of the schedule where that is sooner', () => {
  const ending = { result: { kind: 'healthy', corrected: undefined }, kept: false } as const
  assert.deepEqual(nextRunOf(delivery(), ending, at('20T05:30:00')), { kind: 'after', ms: 60_000 })
  assert.deepEqual(nextRunOf(delivery(), ending, at('20T05:59:30')), { kind: 'at', ms: 30_000 })
  assert.deepEqual(
    nextRunOf(delivery(), ending, at('20T05:58:58')),
    { kind: 'at', ms: 62_000 },
    'not passed by for the jitter',
  )
  const said = { code: 'OBJECT_FORBIDDEN', message: 'it may not' } as const
  const refused = { result: { kind: 'refused', said, objects: [] }, kept: false } as const
  const soon = { kind: 'backoff', ms: 0, isAnswer: true }
  assert.deepEqual(nextRunOf(delivery(), refused, at('20T05:30:00')), { ...soon, maxMs: 60_000 })
  assert.deepEqual(nextRunOf(delivery(), refused, at('20T05:59:30')), { ...soon, maxMs: 30_000 })
  const asksForPeace = { ...ending, retryAfterMs: 600_000 }
  assert.deepEqual(nextRunOf(delivery(), asksForPeace, at('20T05:59:30')), { kind: 'after', ms: 600_000 })
})
