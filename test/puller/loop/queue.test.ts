import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { createQueue, type NextRun, type Turn } from '../../../puller/loop/queue.ts'
import { FakeClock } from '../fake-clock.ts'

const never: NextRun = { kind: 'never' }

function queueOf(run: (key: string, turn: Turn) => Promise<NextRun>, parallel = 2) {
  const clock = new FakeClock()
  const faults: unknown[] = []
  const queue = createQueue({
    parallel,
    clock,
    run,
    onFault: (_key, error) => faults.push(error),
    backoffMaxMs: 60_000,
  })
  return { clock, faults, queue }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await tick()
}

test('one key is never run twice at a time, and what was asked meanwhile is run once afterwards', async () => {
  let running = 0
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const { queue } = queueOf(async () => {
    running += 1
    assert.equal(running, 1)
    runs += 1
    if (runs === 1) await gate.promise
    running -= 1
    return never
  })
  for (let i = 0; i < 5; i++) queue.soon('a')
  await settle()
  for (let i = 0; i < 5; i++) queue.soon('a')
  gate.resolve()
  await settle()
  assert.equal(runs, 2)
})

test('keys that hang give their places away, so that a good one runs however many of them there are', {
  timeout: 20_000,
}, async () => {
  const stuck = Promise.withResolvers<void>()
  const begun: string[] = []
  const { clock, queue } = queueOf(async (key) => {
    begun.push(key)
    if (key.startsWith('stuck')) await stuck.promise
    return never
  })
  for (let i = 1; i <= 6; i++) queue.soon(`stuck-${i}`)
  queue.soon('good')
  await clock.runUntil(9_000)
  assert.deepEqual(begun, ['stuck-1', 'stuck-2'])
  await clock.runUntil(40_000)
  assert.deepEqual(begun, [...[1, 2, 3, 4, 5, 6].map((i) => `stuck-${i}`), 'good'])
  begun.length = 0
  stuck.resolve()
  await settle()
  for (const key of ['a', 'b', 'c']) queue.soon(key)
  await settle()
  assert.deepEqual(begun, ['a', 'b', 'c'])
})

test('no more run at a time than there are places, and one that waits outside takes none', async () => {
  const gate = Promise.withResolvers<void>()
  const begun: string[] = []
  const { queue } = queueOf(async (key, turn) => {
    begun.push(key)
    if (key === 'slow') await turn.outside(() => gate.promise)
    else await gate.promise
    return never
  })
  for (const key of ['slow', 'b', 'c', 'd']) queue.soon(key)
  await settle()
  assert.deepEqual(begun, ['slow', 'b', 'c'])
  gate.resolve()
  await settle()
  assert.deepEqual(begun, ['slow', 'b', 'c', 'd'])
})

test('one that always fails is tried less and less often, and holds nobody up', async () => {
  const runs: [string, number][] = []
  const { queue, clock } = queueOf(async (key) => {
    runs.push([key, clock.nowMs()])
    return key === 'bad' ? { kind: 'backoff' } : { kind: 'after', ms: 10_000 }
  }, 1)
  queue.soon('bad')
  queue.soon('good')
  await clock.runUntil(200_000)
  const bad = runs.filter(([key]) => key === 'bad').map(([, at]) => at)
  assert.deepEqual(bad, [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000])
  assert.equal(runs.filter(([key]) => key === 'good').length, 21)
})

test('however soon somebody wants it looked at, one that fails is looked at a second later at the soonest', async () => {
  const runs: number[] = []
  const { queue, clock } = queueOf(async () => {
    runs.push(clock.nowMs())
    return { kind: 'backoff', maxMs: runs.length === 1 ? 0 : 2_500 }
  })
  queue.soon('a')
  await clock.runUntil(8_000)
  assert.deepEqual(runs, [0, 1_000, 3_000, 5_500, 8_000])
})

test('an edit interrupts what runs, and is run at once, whatever backoff there was', async () => {
  const signals: AbortSignal[] = []
  const { queue, clock } = queueOf(async (_key, turn) => {
    signals.push(turn.signal)
    if (signals.length === 2) await new Promise((resolve) => turn.signal.addEventListener('abort', resolve))
    return { kind: 'backoff' }
  })
  queue.soon('a')
  await settle()
  queue.interrupt('a')
  await settle()
  assert.equal(signals.length, 2)
  queue.interrupt('a')
  await settle()
  assert.equal(signals[1]?.aborted, true)
  assert.equal(signals.length, 3)
  assert.equal(clock.nowMs(), 0)
})

test('a fault in one run is told, and the key is tried again', async () => {
  let runs = 0
  const { queue, clock, faults } = queueOf(async () => {
    runs += 1
    if (runs === 1) throw new Error('a fault of ours')
    return never
  })
  queue.soon('a')
  await clock.runUntil(5_000)
  assert.equal(runs, 2)
  assert.equal(faults.length, 1)
})

test('ending waits for what runs, tells it to give way, and starts nothing more', async () => {
  let ended = 0
  const { queue } = queueOf(async (_key, turn) => {
    await new Promise((resolve) => turn.signal.addEventListener('abort', resolve))
    ended += 1
    return { kind: 'after', ms: 0 }
  })
  for (const key of ['a', 'b', 'c']) queue.soon(key)
  await settle()
  await queue.end()
  assert.equal(ended, 2)
})

test('a key that is dropped is not run again', async () => {
  let runs = 0
  const { queue, clock } = queueOf(async () => {
    runs += 1
    return { kind: 'after', ms: 1_000 }
  })
  queue.soon('a')
  await settle()
  queue.drop('a')
  await clock.runUntil(10_000)
  assert.equal(runs, 1)
  queue.soon('a')
  await settle()
  assert.equal(runs, 2)
})
