import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../../../contract/digest.ts'
import type { Delivery, RecordFacts, RecordSpec } from '../../../puller/kinds.ts'
import { recordSpecSchema } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import {
  goesOn,
  intentToContinue,
  isSaid,
  isSettled,
  outcomeKind,
  seenOf,
  triggerOf,
} from '../../../puller/reconcile/facts.ts'
import { recordHash } from '../../../puller/records/chain.ts'
import type { LedgerSummary } from '../../../puller/records/ledger.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { A, B, C, DELIVERY, facts } from '../records/records-fixture.ts'

const intent = (digest: Digest, more: Partial<RecordFacts> = {}) => facts('Intent', { digest, ...more })
const applied = (digest: Digest, of: number, more: Partial<RecordFacts> = {}) =>
  facts('Applied', { digest, intent: of, ...more })

function after(...all: readonly RecordFacts[]): LedgerSummary {
  const records: RecordSpec[] = all.map((one, i) =>
    recordSpecSchema.parse({ ...one, delivery: DELIVERY, sequence: i + 1, key: recordHash('key'), signature: '' }),
  )
  return { ...summarize(records), records }
}

function delivery(generation = 1, spec: Record<string, unknown> = {}): Delivery {
  return parseDelivery({
    metadata: {
      ...DELIVERY,
      generation,
      resourceVersion: '1',
      managedFields: [
        { manager: 'kubectl-create', time: '2026-11-20T10:00:00Z', fieldsV1: { 'f:spec': {} } },
        { manager: 'kubectl-edit', time: '2026-11-21T10:00:00Z', fieldsV1: { 'f:spec': {} } },
        { manager: 'waybill', time: '2026-11-22T10:00:00Z', fieldsV1: { 'f:status': {} }, subresource: 'status' },
      ],
    },
    spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' }, ...spec },
  })
}

test('the first release, and each newer one, is applied', () => {
  assert.equal(outcomeKind(after(), A, undefined), 'Applied')
  assert.equal(outcomeKind(after(intent(A), applied(A, 1)), B, undefined), 'Applied')
})

test('going back to an older release is a rollback, and coming back from there to the newest is not', () => {
  const back = [intent(A), applied(A, 1), intent(B), applied(B, 3)]
  assert.equal(outcomeKind(after(...back), A, undefined), 'RolledBack')
  const held = [...back, intent(A), facts('RolledBack', { digest: A, intent: 5 })]
  assert.equal(outcomeKind(after(...held), B, undefined), 'Applied')
})

test('leaving a release that never became healthy is a rollback too', () => {
  const failed = [intent(A), applied(A, 1), intent(B), facts('Failed', { digest: B, intent: 3 })]
  assert.equal(outcomeKind(after(...failed), A, undefined), 'RolledBack')
})

test('what is held and well goes on under another spec; what failed since does not', () => {
  const held = [
    intent(A),
    applied(A, 1),
    intent(B),
    applied(B, 3),
    intent(A),
    facts('RolledBack', { digest: A, intent: 5 }),
  ]
  assert.equal(goesOn(after(...held), A), true)
  assert.equal(goesOn(after(...held), B), false)
  assert.equal(goesOn(after(...held, facts('Failed', { digest: A, intent: 5 })), A), false)
})

test('an outcome is called the same before and after a restart', () => {
  const summary = after(intent(A), applied(A, 1), intent(B), applied(B, 3), intent(A))
  assert.equal(outcomeKind(summary, A, summary.openIntent), 'RolledBack')
})

test('an Intent that was open at the restart goes on, for the same digest and spec only', () => {
  const summary = after(intent(A), applied(A, 1), intent(B))
  assert.equal(intentToContinue(summary, { digest: B, generation: 1 })?.sequence, 3)
  assert.equal(intentToContinue(summary, { digest: A, generation: 1 }), undefined)
  assert.equal(intentToContinue(summary, { digest: B, generation: 2 }), undefined)
})

test('what failed is tried again under the same Intent; what was superseded is not', () => {
  const error = (code: 'APPLY_FAILED' | 'SUPERSEDED') => ({ error: { code, message: '' } })
  const failed = after(intent(A), facts('Failed', { digest: A, intent: 1, ...error('APPLY_FAILED') }))
  assert.equal(intentToContinue(failed, { digest: A, generation: 1 })?.sequence, 1)
  const superseded = after(intent(A), facts('Failed', { digest: A, intent: 1, ...error('SUPERSEDED') }))
  assert.equal(intentToContinue(superseded, { digest: A, generation: 1 }), undefined)
})

test('who edited the spec is taken from the API server’s managedFields, and it is a hold, or the end of one, that is told', () => {
  const ran = after(intent(A), applied(A, 1), intent(B), applied(B, 3))
  const hold = triggerOf(delivery(2, { hold: { digest: A, reason: 'it broke' } }), ran, { via: 'hold', digest: A })
  assert.deepEqual(hold, { type: 'hold', generation: 2, by: 'kubectl-edit', reason: 'it broke' })
  const held = after(
    ...[intent(A), applied(A, 1), intent(B), applied(B, 3), intent(A, { trigger: hold })],
    facts('RolledBack', { digest: A, intent: 5, trigger: hold }),
    intent(A, { trigger: { type: 'drift', generation: 2 } }),
    facts('DriftCorrected', { digest: A, intent: 7, trigger: { type: 'drift', generation: 2 } }),
  )
  assert.equal(triggerOf(delivery(3), held, { via: 'channel', digest: B }).type, 'unhold')
  assert.equal(triggerOf(delivery(1), ran, { via: 'channel', digest: C, reason: 'fixes it' }).type, 'source')
})

test('nothing is new when the same digest was applied under the same spec and promotion, drift repair aside', () => {
  const verified = (sequence: number) => ({ digest: A, promotion: { channel: 'production', sequence } })
  const promotion = { channel: 'production', sequence: 4 }
  const drift = { trigger: { type: 'drift' as const, generation: 1 } }
  const summary = after(
    intent(A),
    applied(A, 1, { promotion }),
    intent(A, drift),
    facts('DriftCorrected', { digest: A, intent: 3, ...drift }),
  )
  assert.equal(isSettled(summary, verified(4), 1), true)
  assert.equal(isSettled(summary, verified(5), 1), false)
  assert.equal(isSettled(summary, verified(4), 2), false)
  assert.equal(isSettled(summary, { digest: B }, 1), false)
  assert.equal(isSettled(after(intent(A)), { digest: A }, 1), false)
})

test('a refusal is said once, also when drift is put back or trust is lost in between, and again after it was applied', () => {
  const error = { error: { code: 'PROMOTION_REPLAYED' as const, message: 'one' } }
  const refusal = facts('Refused', { digest: B, ...error })
  const drift = { trigger: { type: 'drift' as const, generation: 1 } }
  const before = [intent(A), applied(A, 1), refusal]
  assert.equal(isSaid(after(...before), refusal), true)
  assert.equal(
    isSaid(after(...before, intent(A, drift), facts('DriftCorrected', { digest: A, intent: 4, ...drift })), refusal),
    true,
  )
  assert.equal(isSaid(after(...before, facts('TrustChanged', { digest: A, ...error })), refusal), true)
  assert.equal(isSaid(after(...before, facts('Unchanged', { digest: A })), refusal), false)
  assert.equal(isSaid(after(...before), { ...refusal, digest: C }), false)
})

test('what another package said, before the source was edited, is not held against this one', () => {
  const source = { repository: 'registry.example.com/acme/old', channel: 'production' }
  const promotion = { channel: 'production', sequence: 9 }
  const summary = after(
    intent(A, { source, promotion, version: '1.0.0' }),
    applied(A, 1, { source, promotion, version: '1.0.0' }),
  )
  assert.deepEqual(seenOf(summary, { canonical: 'registry.example.com/acme/new', channel: 'production' }), {
    versions: {},
  })
  assert.deepEqual(seenOf(summary, { canonical: 'registry.example.com/acme/old', channel: 'production' }), {
    versions: { '1.0.0': A },
    promotion: { sequence: 9, digest: A },
  })
})

test('a version of this package stays at its digest, also where another package had the same version before', () => {
  const released = (name: string, digest: Digest) =>
    applied(digest, 1, { source: { repository: `registry.example.com/acme/${name}` }, version: '1.0.0' })
  const summary = after(released('old', A), released('new', B))
  assert.deepEqual(seenOf(summary, { canonical: 'registry.example.com/acme/new' }).versions, { '1.0.0': B })
  assert.deepEqual(seenOf(summary, { canonical: 'registry.example.com/acme/old' }).versions, { '1.0.0': A })
})
