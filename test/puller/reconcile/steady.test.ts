import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steady } from '../../../puller/reconcile/steady.ts'
import { FakeWatches } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'
import { context, desiredDeployments } from '../plan-fixture.ts'

test('what runs and is not well is waited for while others have the place to work in', {
  timeout: 20_000,
}, async () => {
  const clock = new FakeClock()
  const desired = desiredDeployments('api')
  const outsideMs: number[] = []
  const outside = async <T>(work: () => Promise<T>): Promise<T> => {
    const leftAtMs = clock.monotonicMs()
    return work().finally(() => outsideMs.push(clock.monotonicMs() - leftAtMs))
  }
  const job = {
    site: { cluster: new FakeWatches(), clock },
    turn: { signal: new AbortController().signal, attempt: 1, askedAtMs: 0, outside },
    fetched: { treeDigest: context.digest },
  }
  const looked = steady(job, context, { desired })
  await clock.runUntil(5_000)
  const result = await looked
  assert.equal(result.kind === 'failed' && result.said.code, 'HEALTH_TIMEOUT')
  assert.deepEqual(outsideMs, [1_000])
})
