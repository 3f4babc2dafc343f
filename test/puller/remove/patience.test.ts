import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hub } from '../../../puller/drift/hub.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { Memory } from '../../../puller/loop/memory.ts'
import { beginRemoval, REMOVAL_LEAST_MS, REMOVAL_MS } from '../../../puller/remove/patience.ts'
import { FakeWatches, SET } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'

const deletedAt = '1970-01-01T00:00:00Z'

test('a clock on the wall that is set forward does not end the wait for a deletion, and the end that was said stays', async () => {
  const clock = new FakeClock()
  const patience = beginRemoval(deletedAt, clock, { isRunning: true })
  const { until } = patience()
  clock.setWallBy(86_400_000)
  assert.deepEqual(patience(), { isOver: false, until })
  await clock.runUntil(REMOVAL_MS - 1)
  assert.equal(patience().isOver, false)
  await clock.runUntil(REMOVAL_MS)
  assert.equal(patience().isOver, true)
})

test('restarts do not begin the wait anew: what was waited before counts, up to the last minute', async () => {
  const clock = new FakeClock()
  clock.setWallBy(REMOVAL_MS - 2 * REMOVAL_LEAST_MS)
  const begun = () => beginRemoval(deletedAt, clock, { isRunning: true })
  assert.equal(begun()().until, '1970-01-01T00:10:00Z')
  clock.setWallBy(REMOVAL_MS)
  const patience = begun()
  assert.equal(patience().isOver, false, 'not even where nobody was here for all that time')
  await clock.runUntil(REMOVAL_LEAST_MS - 1)
  assert.equal(patience().isOver, false)
  await clock.runUntil(REMOVAL_LEAST_MS)
  assert.equal(patience().isOver, true)
})

test('a clock that is behind that of the API server waits no longer than all of it', async () => {
  const clock = new FakeClock()
  const patience = beginRemoval('1970-01-02T00:00:00Z', clock, { isRunning: true })
  await clock.runUntil(REMOVAL_MS)
  assert.equal(patience().isOver, true)
})

test('a puller that runs once takes the clock on the wall, from when the Delivery was deleted', () => {
  const clock = new FakeClock()
  const patience = beginRemoval(deletedAt, clock, { isRunning: false })
  assert.deepEqual(patience(), { isOver: false, until: '1970-01-01T00:10:00Z' })
  clock.setWallBy(REMOVAL_MS)
  assert.equal(patience().isOver, true)
})

test('one wait is counted for one Delivery, however often everything is read again, and another of its name has its own', async () => {
  const clock = new FakeClock()
  const hub = new Hub(new FakeWatches(), { clock, onFault: (fault) => assert.fail(String(fault)) })
  const memory = new Memory(new Tracker(hub, SET, clock, { drifted: () => {}, stirred: () => {} }))
  const policies = { policies: [], invalid: [] }
  memory.recall({ uid: 'a', generation: 1 }, policies)
  assert.equal(memory.removal(deletedAt, clock).isOver, false)
  await clock.runUntil(REMOVAL_MS)
  memory.forget()
  memory.recall({ uid: 'a', generation: 2 }, policies)
  assert.equal(memory.removal(deletedAt, clock).isOver, true)
  memory.recall({ uid: 'b', generation: 1 }, policies)
  assert.equal(memory.removal(deletedAt, clock).isOver, false)
})
