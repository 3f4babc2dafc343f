import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cluster, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { duringTerm, onlyReading } from '../../../puller/leader/fence.ts'

const write: ClusterRequest = { method: 'PATCH', path: '/api/v1/namespaces/shop/configmaps/a', body: {} }
const read: ClusterRequest = { method: 'GET', path: '/api/v1/namespaces/shop/configmaps/a' }
const review: ClusterRequest = {
  method: 'POST',
  path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  body: {},
}

/** Answers nothing until it is told to give up. */
function silent(): { cluster: Cluster; asked: string[] } {
  const asked: string[] = []
  const cluster: Cluster = {
    request: (_as, { method, signal }) => {
      asked.push(method)
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('given up'))))
    },
    watch: async function* (_as, { signal }) {
      asked.push('WATCH')
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
      yield* []
    },
    resource: async () => undefined,
  }
  return { cluster, asked }
}

test('a write in flight is given up with the term, and none is sent after it', { timeout: 20_000 }, async () => {
  const { cluster, asked } = silent()
  const lost = new AbortController()
  let holds = true
  const ours = duringTerm(cluster, { lost: lost.signal, holds: () => holds })
  const watching = (async () => {
    for await (const _ of ours.watch('puller', { path: '/apis' }));
  })()
  const inFlight = ours.request('puller', write)
  holds = false
  lost.abort()
  await assert.rejects(inFlight, { code: 'LEADER_LOST' })
  await watching
  for (const request of [write, read]) await assert.rejects(ours.request('puller', request), { code: 'LEADER_LOST' })
  assert.deepEqual(asked, ['WATCH', 'PATCH'])
})

test('a write is not sent by who no longer holds the Lease, though nobody told it yet', {
  timeout: 20_000,
}, async () => {
  const { cluster, asked } = silent()
  const ours = duringTerm(cluster, { lost: new AbortController().signal, holds: () => false })
  await assert.rejects(ours.request('puller', write), { code: 'LEADER_LOST' })
  assert.deepEqual(asked, [])
})

test('a replica that stands by reads, asks who it is, and writes nothing, not even for trial', {
  timeout: 20_000,
}, async () => {
  const { cluster, asked } = silent()
  const standby = onlyReading(cluster, new AbortController().signal)
  for (const request of [write, { ...write, query: { dryRun: 'All' } }, { ...write, method: 'DELETE' } as const])
    await assert.rejects(standby.request('puller', request), { code: 'LEADER_LOST' })
  void standby.request('puller', read)
  void standby.request({ namespace: 'shop', serviceAccount: 'waybill' }, review)
  assert.deepEqual(asked, ['GET', 'POST'])
})
