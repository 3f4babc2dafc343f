import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordFacts } from '../../../puller/kinds.ts'
import { besides } from '../../../puller/records/besides.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { FakeClock } from '../fake-clock.ts'
import { newKeys } from './records-fixture.ts'

test('a record is written, with its head, while others have the place to work in; what it says is seen at once', async () => {
  const cluster = new FakeCluster()
  const clock = new FakeClock()
  const keys = newKeys()
  const heads = new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock })
  const delivery = { namespace: 'shop', name: 'app', uid: '1111-2222' }
  const log: string[] = []
  cluster.onWrite = (line) => void log.push(line.split(' ')[0] ?? '')
  const turn = {
    outside: async <T>(work: () => Promise<T>): Promise<T> => {
      log.push('leaves')
      try {
        return await work()
      } finally {
        log.push('comes back')
      }
    },
  }
  const ledger = besides(await openLedger(cluster, keys, delivery, { heads, clock }), turn)
  const facts: RecordFacts = {
    kind: 'Intent',
    trigger: { type: 'spec', generation: 1 },
    startedAt: '2026-01-01T00:00:00Z',
  }
  await ledger.append(facts)
  assert.deepEqual(log, ['leaves', 'POST', 'POST', 'comes back'], 'the record, and the ConfigMap with its head')
  assert.equal(ledger.summary.openIntent?.sequence, 1)
})
