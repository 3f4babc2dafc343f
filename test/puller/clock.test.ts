import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationMs, systemClock } from '../../puller/clock.ts'

test('the longest interval that a Delivery may have is a long time, not none', async () => {
  const stop = new AbortController()
  let over = false
  const sleep = systemClock.sleep(durationMs('999999h'), stop.signal).then(() => {
    over = true
  })
  await systemClock.sleep(50)
  assert.equal(over, false)
  stop.abort()
  await sleep
})
