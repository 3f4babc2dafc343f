import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import type { Cluster, ClusterAnswer, Identity } from '../../../puller/cluster/cluster-port.ts'
import { fairShare } from '../../../puller/cluster/fair-share.ts'
import { FakeClock } from '../fake-clock.ts'

const account = (namespace: string): Identity => ({ namespace, serviceAccount: 'waybill' })

/** A cluster that answers when it is told to; four requests at a time. */
function slow() {
  const clock = new FakeClock()
  const sent: string[] = []
  const open = new Map<string, () => void>()
  const cluster: Cluster = {
    request: (_as, { path, signal }) => {
      if (signal?.aborted === true) return Promise.reject(new Error('given up'))
      sent.push(path)
      return new Promise<ClusterAnswer>((resolve) => open.set(path, () => resolve({ status: 200, body: {} })))
    },
    watch: async function* () {},
    resource: async () => undefined,
  }
  const shared = fairShare(cluster, { clock, requestsMax: 4, slowMs: 5_000 })
  const ask = (as: Identity, path: string, signal?: AbortSignal) =>
    shared.request(as, { method: 'GET', path, ...(signal === undefined ? {} : { signal }) })
  const answer = async (path: string) => {
    open.get(path)?.()
    for (let i = 0; i < 5; i++) await tick()
  }
  return { clock, sent, ask, answer }
}

test('no more requests are under way than there are places, and accounts take turns however much one asks', {
  timeout: 20_000,
}, async () => {
  const { sent, ask, answer } = slow()
  for (let i = 1; i <= 8; i++) void ask(account('big'), `big-${i}`)
  for (const name of ['b', 'c']) for (const i of [1, 2]) void ask(account(name), `${name}-${i}`)
  await answer('nothing yet')
  assert.deepEqual(sent, ['big-1', 'big-2', 'big-3', 'big-4'])
  for (const path of ['big-1', 'big-2', 'big-3', 'big-4']) await answer(path)
  assert.deepEqual(sent.slice(4), ['big-5', 'b-1', 'c-1', 'big-6'])
  for (const path of ['b-1', 'c-1', 'big-5', 'big-6']) await answer(path)
  assert.deepEqual(sent.slice(8), ['b-2', 'c-2', 'big-7', 'big-8'])
})

test('what the puller writes for itself does not wait behind anybody', { timeout: 20_000 }, async () => {
  const { sent, ask, answer } = slow()
  for (let i = 1; i <= 6; i++) void ask(account('big'), `big-${i}`)
  void ask('puller', 'record')
  await answer('nothing yet')
  await answer('big-1')
  assert.deepEqual(sent.slice(4), ['record'])
})

test('requests that hang give their places away, and get none back twice', { timeout: 20_000 }, async () => {
  const { clock, sent, ask, answer } = slow()
  for (let i = 1; i <= 4; i++) void ask(account('stuck'), `stuck-${i}`)
  for (let i = 1; i <= 6; i++) void ask(account('well'), `well-${i}`)
  await clock.runUntil(4_000)
  assert.equal(sent.length, 4)
  await clock.runUntil(5_000)
  assert.deepEqual(sent.slice(4), ['well-1', 'well-2', 'well-3', 'well-4'])
  await answer('stuck-1')
  assert.equal(sent.length, 8)
  await answer('well-1')
  assert.equal(sent.length, 9)
})

test('who gives up while he waits is told at once, and takes nobody’s place', { timeout: 20_000 }, async () => {
  const { sent, ask, answer } = slow()
  for (let i = 1; i <= 4; i++) void ask(account('big'), `big-${i}`)
  const end = new AbortController()
  const given = ask(account('b'), 'b-1', end.signal)
  void ask(account('c'), 'c-1')
  await answer('nothing yet')
  end.abort()
  await assert.rejects(given)
  await answer('big-1')
  assert.deepEqual(sent.slice(4), ['c-1'])
})
