import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedPolls } from '../../../puller/source/shared-polls.ts'

test('an answer from before the clock was set back is asked for again, not taken for a new one', async () => {
  let nowMs = 10_000
  const polls = new SharedPolls<string>({ nowMs: () => nowMs })
  const { signal } = new AbortController()
  const ask = (answer: string) => polls.ask('shop:production', { sinceMs: nowMs - 500, signal }, async () => answer)
  assert.equal(await ask('old'), 'old')
  assert.equal(await ask('shared'), 'old')
  nowMs = 5_000
  assert.equal(await ask('new'), 'new')
})
