import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Memory } from '../../../puller/loop/memory.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { clockAt, DELIVERY, newKeys } from '../records/records-fixture.ts'

const hourly = { next: { kind: 'after', ms: 3_600_000 } } as const

/** A memory whose source was asked. */
async function remembering() {
  const cluster = new FakeCluster()
  const keys = newKeys()
  const clock = clockAt('2026-11-21T10:00:00Z')
  const heads = new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock })
  const memory = new Memory(undefined)
  const books = memory.open(
    { generation: 1 },
    { policies: [], invalid: [] },
    await openLedger(cluster, keys, DELIVERY, { clock, heads }),
    {
      account: { namespace: 'shop', serviceAccount: 'waybill' },
      access: { credentials: async () => undefined, credentialId: '', shareKey: '' },
    },
  )
  books.asked = { kind: 'not', said: { code: 'REGISTRY_UNREACHABLE', message: 'away' }, retryAfterMs: 0 }
  return memory
}

test('a look for drift alone does not ask the source again before its interval', async () => {
  const memory = await remembering()
  memory.beginLook(0)
  memory.plan(hourly, 0)
  memory.beginLook(10)
  assert.notEqual(memory.askedBefore(10), undefined)
})

test('who asks for the source while a look is on its way is answered by the next one', async () => {
  const memory = await remembering()
  memory.beginLook(0)
  memory.askSource()
  memory.plan(hourly, 5)
  memory.beginLook(10)
  assert.equal(memory.askedBefore(10), undefined)
  memory.plan(hourly, 15)
  memory.beginLook(20)
  assert.notEqual(memory.askedBefore(20), undefined, 'and that is once')
})
