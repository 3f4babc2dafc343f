import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silence } from '../../cli/puller-at-work.ts'
import { claimed, givenBack, LEASE_TIMES } from '../../puller/leader/lease.ts'

const at = Date.parse('2026-11-22T10:00:00Z')
const claim = { name: 'waybill-puller', namespace: 'waybill-system', identity: 'pod-a', times: LEASE_TIMES, wallMs: at }
const later = (minutes: number) => new Date(at + minutes * 60_000)

test('who asks what runs is told when nobody looks after it', () => {
  const lease = claimed(undefined, claim)
  assert.match(silence(lease, later(12)) ?? '', /^warning: no puller is at work: its Lease was last renewed 12m ago/)
  assert.match(silence(givenBack(lease, at), later(60)) ?? '', /was given back 60m ago/)
})

test('a puller that renews its Lease, a clock that differs a little, and a Lease without a time are no reason to warn', () => {
  assert.equal(silence(claimed(undefined, claim), later(0.5)), undefined)
  assert.equal(silence(claimed(undefined, claim), later(-5)), undefined)
  assert.equal(silence({ spec: { holderIdentity: 'pod-a' } }, later(5)), undefined)
})
