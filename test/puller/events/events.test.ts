import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionEvent, recordEvents, waitingEvent } from '../../../puller/events/events.ts'
import { createEventPoster } from '../../../puller/events/poster.ts'
import { type DeliveryStatus, type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import type { Observation } from '../../../puller/metrics/observation.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { FakeClock } from '../fake-clock.ts'
import { A, B, chainOf, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const chain = (...all: RecordFacts[]) => chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))
const at = (minute: string) => ({ startedAt: `2026-11-21T10:${minute}:00Z`, finishedAt: `2026-11-21T10:${minute}:00Z` })
const refused = (minute: string, message = 'nobody signed it') =>
  facts('Refused', { digest: A, error: { code: 'SIGNATURE_MISSING', message }, ...at(minute) })

test('each record that people should see is one Event, whose name a restart works out again', () => {
  const records = chain(facts('Intent', { digest: A }), facts('Applied', { digest: A, ...at('01') }), refused('02'))
  const events = recordEvents(DELIVERY, records, 0)
  assert.deepEqual(
    events.map(({ reason, type, count }) => [reason, type, count]),
    [
      ['Applied', 'Normal', 1],
      ['Refused', 'Warning', 1],
    ],
  )
  assert.deepEqual(recordEvents(DELIVERY, records, 2), events.slice(1), 'what was told before is not told again')
  assert.equal(new Set(events.map(({ name }) => name)).size, 2)
  assert.ok(events.every(({ name }) => /^api\.[0-9a-f]{16}$/.test(name)))
})

test('what is said again within the hour counts up one Event, and later begins another', () => {
  const records = chain(
    refused('00'),
    facts('Applied', { digest: A, ...at('01') }),
    refused('30'),
    refused('31', 'other'),
  )
  const [first, , again, other] = recordEvents(DELIVERY, records, 0)
  assert.equal(again?.name, first?.name)
  assert.deepEqual([again?.count, again?.firstAt, again?.lastAt], [2, first?.firstAt, '2026-11-21T10:30:00Z'])
  assert.notEqual(other?.name, first?.name)
  const late = chain(refused('00'), {
    ...refused('00'),
    startedAt: '2026-11-21T12:00:00Z',
    finishedAt: '2026-11-21T12:00:00Z',
  })
  const names = recordEvents(DELIVERY, late, 0).map(({ name }) => name)
  assert.equal(new Set(names).size, 2)
})

test('another Delivery of the same name has Events of its own', () => {
  const records = chain(refused('00'))
  const [one] = recordEvents(DELIVERY, records, 0)
  const [other] = recordEvents({ ...DELIVERY, uid: 'another' }, records, 0)
  assert.notEqual(one?.name, other?.name)
})

test('an Event never carries the values of drift', () => {
  const changes = {
    total: 1,
    digest: A,
    listed: [
      {
        action: 'configure' as const,
        object: 'Deployment.apps shop/api',
        fields: ['spec.template.spec.containers[app].env[TOKEN].value'],
        manager: 'kubectl-edit',
        user: 'jane',
        values: [{ field: 'x', declared: '"hunter1"', found: '"hunter2"' }],
      },
    ],
  }
  const [event] = recordEvents(DELIVERY, chain(facts('DriftCorrected', { digest: A, changes })), 0)
  assert.match(event?.message ?? '', /configure Deployment\.apps shop\/api .*TOKEN.*jane with kubectl-edit/)
  assert.ok(!/hunter/.test(event?.message ?? ''))
})

const status = (type: string, says: 'True' | 'False' | 'Unknown', reason: string): DeliveryStatus => ({
  conditions: [{ type, status: says, reason, message: 'm', lastTransitionTime: '2026-11-21T10:00:00Z' }],
})

test('what no record tells is an Event when it begins and when it is over, and only then', () => {
  const [well, away] = [status('Verified', 'True', 'Verified'), status('Verified', 'Unknown', 'REGISTRY_UNREACHABLE')]
  assert.equal(conditionEvent(DELIVERY, well, away)?.reason, 'REGISTRY_UNREACHABLE')
  assert.equal(conditionEvent(DELIVERY, away, away), undefined)
  assert.equal(conditionEvent(DELIVERY, away, well)?.reason, 'Recovered')
  assert.equal(conditionEvent(DELIVERY, {}, well), undefined)
  assert.equal(
    conditionEvent(DELIVERY, {}, status('Ready', 'False', 'SIGNATURE_MISSING')),
    undefined,
    'refusals are on record',
  )
})

test('a release that waits for its time is an Event, once for each plan and each reason', () => {
  const plan = (of: typeof A) => ({
    digest: A,
    plan: of,
    at: '2026-11-21T10:00:00Z',
    changes: { total: 0, digest: A, listed: [] },
  })
  const waits = (of: typeof A) => ({ ...status('Ready', 'Unknown', 'OutsideWindow'), plan: plan(of) })
  const first = waitingEvent(DELIVERY, status('Ready', 'True', 'Applied'), waits(A))
  assert.deepEqual([first?.type, first?.reason], ['Normal', 'OutsideWindow'])
  assert.equal(waitingEvent(DELIVERY, waits(A), waits(A)), undefined)
  assert.equal(waitingEvent(DELIVERY, {}, waits(A))?.name, first?.name, 'a restart tells the same')
  assert.notEqual(waitingEvent(DELIVERY, waits(A), waits(B))?.name, first?.name)
  const depends = { ...status('Ready', 'Unknown', 'DependencyNotReady'), plan: plan(A) }
  assert.equal(waitingEvent(DELIVERY, waits(A), depends)?.reason, 'DependencyNotReady')
  assert.equal(waitingEvent(DELIVERY, {}, status('Ready', 'Unknown', 'AwaitingApproval')), undefined, 'a record tells')
  assert.equal(waitingEvent(DELIVERY, waits(A), status('Ready', 'Unknown', 'Progressing')), undefined)
})

function posting() {
  const cluster = new FakeCluster()
  const results: unknown[] = []
  const observe = (seen: Observation) => void (seen.kind === 'event' && results.push(seen.result))
  return { cluster, results, poster: createEventPoster({ cluster, clock: new FakeClock(), observe }) }
}
const events = (count: number) =>
  recordEvents(DELIVERY, chain(...Array.from({ length: count }, (_, i) => refused('00', `m${i}`))), 0)

test('posting an Event that is there leaves it as it is, and a repeat moves its count', async () => {
  const { cluster, results, poster } = posting()
  const records = chain(refused('00'), refused('01'))
  const [first, again] = recordEvents(DELIVERY, records, 0)
  for (const one of [first, first, again, again]) if (one !== undefined) poster.post(DELIVERY, one)
  await poster.idle()
  assert.deepEqual(results, ['created', 'known', 'repeated', 'repeated'])
  assert.equal(cluster.objects.size, 1)
  assert.equal([...cluster.objects.values()][0]?.count, 2)
})

test('a full queue of Events drops what comes, and nobody waits for it', async () => {
  const { cluster, results, poster } = posting()
  cluster.onWrite = () => 'conflict'
  for (let i = 0; i < 6; i++) for (const one of events(200)) poster.post(DELIVERY, one)
  assert.ok(results.filter((result) => result === 'dropped').length >= 199)
  await poster.end()
})
