import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Candidacy, stand, type Term } from '../../../puller/leader/elect.ts'
import { checkLeaseTimes, LEASE_TIMES } from '../../../puller/leader/lease.ts'
import { FakeClock } from '../fake-clock.ts'
import { type Line, MemoryLease } from './memory-lease.ts'

type Replica = { readonly line: Line; readonly clock: FakeClock; readonly end: AbortController; readonly terms: Term[] }

/** Each replica has a clock of its own; `at` moves all of them. */
function replicas(count: number, more: Partial<Candidacy> = {}) {
  const lease = new MemoryLease()
  const all = Array.from({ length: count }, (_, i): Replica => {
    const replica: Replica = { line: lease.line(), clock: new FakeClock(), end: new AbortController(), terms: [] }
    const { line: store, clock, end } = replica
    void stand({ store, clock, identity: `replica-${i + 1}`, times: LEASE_TIMES, ...more }, end.signal).then((term) => {
      if (term !== undefined) replica.terms.push(term)
    })
    return replica
  })
  let nowMs = 0
  const until = async (ms: number) => {
    for (; nowMs < ms; nowMs = Math.min(ms, nowMs + 100)) for (const { clock } of all) await clock.runUntil(nowMs)
    for (const { clock } of all) await clock.runUntil(ms)
  }
  const leaders = () => all.flatMap(({ terms }, i) => (terms.some((term) => term.holds()) ? [i + 1] : []))
  return { lease, all, until, leaders }
}

const first = <T>(list: readonly T[]): T => {
  const [one] = list
  assert.ok(one)
  return one
}

describe('of the replicas of a puller', () => {
  test('one leads, renews every two seconds, and the others only look', async () => {
    const { lease, until, leaders } = replicas(3)
    await until(60_000)
    assert.deepEqual(leaders(), [1])
    assert.equal(lease.writes.length, 31)
    assert.equal(lease.spec.holderIdentity, 'replica-1')
    assert.equal(lease.spec.leaseDurationSeconds, 15)
    assert.equal(lease.spec.leaseTransitions, 0)
    assert.match(String(lease.spec.renewTime), /^1970-01-01T00:01:00\.000000Z$/)
    assert.match(String(lease.spec.acquireTime), /^1970-01-01T00:00:00\.000000Z$/)
  })

  test('another takes over when the leader fell silent, and not before the Lease stood still for its whole time', async () => {
    const { lease, all, until, leaders } = replicas(2)
    await until(20_000)
    first(all).line.state = 'cut'
    await until(29_000)
    assert.deepEqual(leaders(), [1], 'a leader goes on for as long as it may')
    await until(31_000)
    assert.deepEqual(leaders(), [], 'one that could not renew it has stopped')
    await until(34_500)
    assert.deepEqual(leaders(), [])
    await until(40_000)
    assert.deepEqual(leaders(), [2])
    assert.equal(lease.spec.leaseTransitions, 1)
  })

  test('a leader that gives the Lease back has a successor at its next look', async () => {
    const { lease, all, until, leaders } = replicas(2)
    await until(20_000)
    await first(first(all).terms).resign()
    assert.equal(lease.spec.holderIdentity, '')
    await until(24_500)
    assert.deepEqual(leaders(), [2])
  })

  test('a line that stalls loses the term as one that is cut does, and one that comes back in time does not', async () => {
    const { all, until, leaders } = replicas(2)
    await until(20_000)
    first(all).line.state = 'stalled'
    await until(26_000)
    first(all).line.state = 'up'
    await until(40_000)
    assert.deepEqual(leaders(), [1])
    first(all).line.state = 'stalled'
    await until(51_000)
    assert.deepEqual(leaders(), [])
    await until(60_000)
    assert.deepEqual(leaders(), [2])
  })

  test('a clock on the wall that jumps, either way and on either side, moves nobody', async () => {
    const { lease, all, until, leaders } = replicas(2)
    const [one, two] = all
    await until(10_000)
    for (const [leaderMs, standbyMs] of [
      [86_400_000, 0],
      [-90_000_000, 0],
      [0, 86_400_000],
      [0, -90_000_000],
    ] as const) {
      one?.clock.setWallBy(leaderMs)
      two?.clock.setWallBy(standbyMs)
      await until((one?.clock.monotonicMs() ?? 0) + 30_000)
      assert.deepEqual(leaders(), [1])
    }
    assert.equal(lease.spec.leaseTransitions, 0)
  })

  test('a Lease that was taken away by hand, deleted or annotated is found out at once', async () => {
    const { lease, all, until, leaders } = replicas(1)
    await until(10_000)
    lease.set({ annotations: { by: 'somebody' } })
    await until(13_000)
    lease.gone()
    await until(30_000)
    assert.deepEqual(leaders(), [1])
    lease.set({ spec: { holderIdentity: 'another', renewTime: 'now' } })
    await until(33_000)
    assert.deepEqual(leaders(), [])
    await first(first(all).terms).resign()
    assert.equal(lease.spec.holderIdentity, 'another', 'what is not ours is not given back')
  })

  test('who was held still for longer than the deadline does not lead when it wakes, though no timer told it', async () => {
    const { all, until } = replicas(1)
    await until(10_000)
    const { clock, terms } = first(all)
    const term = first(terms)
    clock.monotonicMs = () => 30_000
    assert.equal(term.lost.aborted, false)
    assert.equal(term.holds(), false)
    assert.equal(term.lost.aborted, true)
  })
})

test('times that would let two lead are refused', () => {
  for (const wrong of [{ leaseMs: 10_000 }, { renewDeadlineMs: 2_400 }, { retryMs: 0 }, { leaseMs: 500 }])
    assert.throws(() => checkLeaseTimes({ ...LEASE_TIMES, ...wrong }), { code: 'USAGE' })
  assert.equal(checkLeaseTimes(LEASE_TIMES), LEASE_TIMES)
})
