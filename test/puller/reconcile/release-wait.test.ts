import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Progress } from '../../../puller/reconcile/job.ts'
import { pace } from '../../../puller/reconcile/release-wait.ts'
import { FakeClock } from '../fake-clock.ts'

const waitingFor = (ready: number): Progress => ({ ready, total: 5, waiting: ['Deployment.apps shop/api'] })

test('progress is said after a second, then every second at most, and always the newest', async () => {
  const clock = new FakeClock()
  const said: string[] = []
  const paced = pace(clock, async ({ ready }) => void said.push(`${ready} at ${clock.nowMs()}`))
  for (let i = 0; i <= 20; i++) {
    paced.say(waitingFor(i))
    await clock.runUntil((i + 1) * 100)
  }
  assert.deepEqual(said, ['9 at 1000', '19 at 2000'])
  await clock.runUntil(10_000)
  assert.deepEqual(said.slice(2), ['20 at 3000'])
  await paced.settled()
})

test('what is over within the first second is not said at all', async () => {
  const clock = new FakeClock()
  const said: Progress[] = []
  const paced = pace(clock, async (progress) => void said.push(progress))
  paced.say(waitingFor(1))
  await clock.runUntil(900)
  await paced.settled()
  await clock.runUntil(5_000)
  assert.deepEqual(said, [])
})

test('a status that cannot be written now holds nothing up', async () => {
  const clock = new FakeClock()
  let tries = 0
  const paced = pace(clock, async () => {
    tries += 1
    throw new Error('the API server is away')
  })
  paced.say(waitingFor(1))
  await clock.runUntil(1_000)
  paced.say(waitingFor(2))
  await clock.runUntil(3_000)
  await paced.settled()
  assert.equal(tries, 2)
})
