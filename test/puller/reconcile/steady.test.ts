import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDigest } from '../../../contract/digest.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { steady } from '../../../puller/reconcile/steady.ts'
import { FakeWatches } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'

const context: PlanContext = {
  delivery: { name: 'app', namespace: 'shop', uid: 'd' },
  account: { namespace: 'shop', serviceAccount: 'waybill' },
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  adopt: 'never',
  prune: { enabled: true, maxPercent: 30 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 7),
}

test('what runs and is not well is waited for while others have the place to work in', {
  timeout: 20_000,
}, async () => {
  const clock = new FakeClock()
  const deployments = { group: 'apps', version: 'v1', kind: 'Deployment', plural: 'deployments', namespaced: true }
  const desired = prepare(
    [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'api' } }],
    context,
    new Map([['apps/v1 Deployment', deployments]]),
  )
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
