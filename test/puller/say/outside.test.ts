import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { type Delivery, deliverySpecSchema, type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import type { Observation } from '../../../puller/metrics/observation.ts'
import { recordHash, recordName } from '../../../puller/records/chain.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { createOutside } from '../../../puller/say/outside.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { FakeClock } from '../fake-clock.ts'
import { A, chainOf, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const summaryOf = (...all: RecordFacts[]) => {
  const records = chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))
  const last = records.at(-1)
  const head = last && { name: recordName(DELIVERY, last.sequence), sequence: last.sequence, hash: recordHash(last) }
  return { ...summarize(records), records, ...(head === undefined ? {} : { head }) }
}
const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }
const spec = deliverySpecSchema.parse({ source })
const delivery: Delivery = { ...DELIVERY, generation: 1, resourceVersion: '1', annotations: {}, spec, status: {} }
const old = facts('Applied', { digest: A, startedAt: '1969-12-31T20:00:00Z' })
const recent = facts('Refused', { digest: A, startedAt: '1970-01-01T00:00:00Z' })

function outside() {
  const cluster = new FakeCluster()
  const seen: Observation[] = []
  const observe = (one: Observation) => void seen.push(one)
  const log = pino({ level: 'silent' })
  return { cluster, seen, one: createOutside({ cluster, clock: new FakeClock(), log, observe }, {}) }
}

test('a start tells what was recorded shortly before it and nobody said yet, and counts none of it', async () => {
  const { cluster, seen, one } = outside()
  const said = facts('Failed', { digest: A, startedAt: '1970-01-01T00:00:00Z' })
  const summary = summaryOf(old, said, recent)
  const lastRecord = { name: 'r', sequence: 2, hash: A }
  await one.begin({ ...delivery, status: { lastRecord } }, summary)
  one.looked(DELIVERY, summary)
  await one.end(1_000)
  assert.deepEqual(
    [...cluster.objects.values()].map(({ reason }) => reason),
    ['Refused'],
  )
  assert.deepEqual(
    seen.filter(({ kind }) => kind === 'record'),
    [],
  )
})

test('looks that find the same ask nothing and observe nothing', async () => {
  const { cluster, seen, one } = outside()
  const summary = summaryOf(old)
  const status = { observedGeneration: 1 }
  for (let i = 0; i < 3; i++) {
    await one.begin(delivery, summary)
    one.said(DELIVERY, status, status)
    one.looked(DELIVERY, summary)
  }
  assert.equal(seen.length, 1, 'what the metrics show is told once')
  const more = summaryOf(old, recent)
  one.looked(DELIVERY, more)
  one.looked(DELIVERY, more)
  await one.end(1_000)
  assert.equal(cluster.writes.length, 1)
  assert.equal(seen.filter(({ kind }) => kind === 'record').length, 1)
})

test('what comes and goes is one Event that counts, not one for each time', async () => {
  const { cluster, one } = outside()
  const says = (status: 'True' | 'Unknown', reason: string, minute: number) => ({
    conditions: [
      { type: 'Verified', status, reason, message: 'm', lastTransitionTime: `2026-11-21T10:0${minute}:00Z` },
    ],
  })
  for (const minute of [0, 2, 4]) {
    const [well, away] = [says('True', 'Verified', minute), says('Unknown', 'REGISTRY_UNREACHABLE', minute + 1)]
    one.said(DELIVERY, well, away)
  }
  await one.end(1_000)
  assert.deepEqual(
    [...cluster.objects.values()].map(({ reason, count }) => [reason, count]),
    [['REGISTRY_UNREACHABLE', 3]],
  )
})
