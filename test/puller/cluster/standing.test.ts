import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Standing } from '../../../puller/cluster/standing.ts'
import { FakeClock } from '../fake-clock.ts'

/** A server that is ready from then on, and how often it was asked. */
function serverReadyAt(readyMs: number) {
  const clock = new FakeClock()
  let asked = 0
  const standing = new Standing(async () => {
    asked += 1
    return clock.monotonicMs() >= readyMs
  }, clock)
  return { clock, standing, asked: () => asked }
}

test('a server is waited for until it is ready, and asked by one for all that wait', async () => {
  const { clock, standing, asked } = serverReadyAt(1_000)
  const sure: number[] = []
  for (let i = 0; i < 100; i++) void standing.becomeSure().then(() => sure.push(clock.monotonicMs()))
  await clock.runUntil(900)
  assert.deepEqual([sure.length, standing.isSure()], [0, false])
  await clock.runUntil(1_000)
  assert.deepEqual([sure.length, sure[0], standing.isSure()], [100, 1_000, true])
  assert.equal(asked(), 6)
  await standing.becomeSure()
  assert.equal(asked(), 6, 'who is known to be ready is not asked')
})

test('it is asked again once a connection or a watch has ended, also one that ended while it was asked', async () => {
  const { clock, standing, asked } = serverReadyAt(0)
  await standing.becomeSure()
  await clock.runUntil(1_000)
  standing.ended()
  assert.equal(standing.isSure(), false)
  const sure = standing.becomeSure()
  standing.ended()
  await clock.runUntil(2_000)
  await sure
  assert.deepEqual([asked(), standing.isSure()], [3, true])
})

test('a server that never is ready is taken as it is after 20 s, and nobody waits for it again', async () => {
  const { clock, standing, asked } = serverReadyAt(Number.POSITIVE_INFINITY)
  let isOver = false
  void standing.becomeSure().then(() => {
    isOver = true
  })
  await clock.runUntil(19_900)
  assert.equal(isOver, false)
  await clock.runUntil(20_000)
  assert.deepEqual([isOver, standing.isSure(), asked()], [true, true, 101])
})

test('nobody waits whose request is given up', async () => {
  const { clock, standing } = serverReadyAt(Number.POSITIVE_INFINITY)
  const given = new AbortController()
  let isOver = false
  void standing.becomeSure(given.signal).then(() => {
    isOver = true
  })
  await clock.runUntil(500)
  given.abort()
  await clock.runUntil(600)
  assert.deepEqual([isOver, standing.isSure()], [true, false])
})
