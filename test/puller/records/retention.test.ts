import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RecordFacts, recordSpecSchema } from '../../../puller/kinds.ts'
import { auditChain } from '../../../puller/records/audit.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { readHead } from '../../../puller/records/heads.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { summarize } from '../../../puller/records/ledger-summary.ts'
import { listRecords } from '../../../puller/records/record.ts'
import { planCheckpoint } from '../../../puller/records/retention.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, B, chainOf, clockAt, DELIVERY, facts, newKeys } from './records-fixture.ts'

const keys = newKeys()
const PULLER = 'waybill-system'
const OLD = '2025-01-01T00:00:00Z'
const NOW = '2026-11-21T10:00:00Z'
const CHOSEN = {
  source: { repository: 'registry.example.com/acme/shop' },
  release: { version: '1.9.0', range: '^1' },
}

const specsOf = (all: readonly RecordFacts[]) => chainOf(keys, all).map(({ spec }) => recordSpecSchema.parse(spec))

const open = (cluster: FakeCluster, at = NOW) =>
  openLedger(cluster, keys, DELIVERY, {
    heads: new HeadKeeper(cluster, { namespace: PULLER, publicPem: keys.publicPem, clock: clockAt(at) }),
    clock: clockAt(at),
  })

/** A cluster with so many records, all of `startedAt`, written at that time. */
async function withHistory(count: number, startedAt = OLD, last: Partial<RecordFacts> = {}): Promise<FakeCluster> {
  const cluster = new FakeCluster()
  const ledger = await open(cluster, startedAt)
  await ledger.append(
    facts('Applied', { digest: A, version: '1.0.0', promotion: { channel: 'production', sequence: 7 }, startedAt }),
  )
  for (let i = 1; i < count; i++)
    await ledger.append(facts('Applied', { digest: B, startedAt, ...(i === 1 ? last : {}) }))
  return cluster
}

async function audit(cluster: FakeCluster) {
  const { head } = await readHead(cluster, PULLER, DELIVERY.uid)
  return auditChain(await listRecords(cluster, DELIVERY), { configMap: head }, keys.publicPem, DELIVERY)
}

describe('old records', () => {
  test('are dropped behind a Checkpoint that still says what they said', async () => {
    const cluster = await withHistory(260, OLD, CHOSEN)
    const head = await (await open(cluster)).append(facts('Applied', { digest: B, startedAt: NOW }))
    const report = await audit(cluster)
    assert.deepEqual(report.faults, [])
    assert.equal(head.sequence, 262)
    assert.equal(report.head?.sequence, 262)
    assert.equal(report.believed[0]?.sequence, 62)
    assert.equal(report.believed.at(-1)?.kind, 'Checkpoint')
    const { summary } = await open(cluster)
    assert.equal(summary.broken, undefined)
    assert.ok(summary.ran.has(A))
    assert.equal(summary.versions.get('1.0.0'), A)
    assert.deepEqual(summary.promotions.get('production'), { sequence: 7, digest: A })
    assert.equal(summary.applied?.digest, B)
    assert.equal(summary.release?.version, '1.9.0')
  })

  test('go on being remembered when the Checkpoint itself is dropped', async () => {
    const cluster = await withHistory(260, OLD, CHOSEN)
    await (await open(cluster)).append(facts('Applied', { digest: B, startedAt: OLD }))
    const later = await open(cluster, OLD)
    for (let i = 0; i < 300; i++) await later.append(facts('Applied', { digest: B, startedAt: OLD }))
    await (await open(cluster, '2029-01-01T00:00:00Z')).append(facts('Applied', { digest: B }))
    const report = await audit(cluster)
    assert.deepEqual(report.faults, [])
    assert.equal(report.believed.filter(({ kind }) => kind === 'Checkpoint').length, 1)
    const { summary } = await open(cluster)
    assert.deepEqual(summary.promotions.get('production'), { sequence: 7, digest: A })
    assert.equal(summary.versions.get('1.0.0'), A)
    assert.equal(summary.release?.version, '1.9.0')
  })

  test('leave the highest version of a range as it was, whatever was dropped between two Checkpoints', () => {
    const { source, release } = CHOSEN
    const old = (more: Partial<RecordFacts>) => facts('Applied', { digest: B, startedAt: OLD, ...more })
    const elsewhere = { trigger: { type: 'spec' as const, generation: 2 } }
    const kept = { source, release: { ...release, version: '1.8.0' } }
    for (const [between, highest] of [
      [kept, '1.9.0'],
      [{}, '1.9.0'],
      [elsewhere, undefined],
    ] as const) {
      const all = Array.from({ length: 360 }, (_, i) => old(i === 0 ? CHOSEN : i === 80 ? between : {}))
      const first = planCheckpoint(specsOf(all.slice(0, 260)), Date.parse(NOW)) ?? assert.fail()
      const left = specsOf([...all.slice(0, 260), first, ...all.slice(260)]).slice(60)
      const second = planCheckpoint(left, Date.parse(NOW)) ?? assert.fail()
      const after = specsOf([...all.slice(0, 260), first, ...all.slice(260), second]).slice(161)
      assert.equal(after.filter(({ kind }) => kind === 'Checkpoint').length, 2)
      assert.equal(summarize(after).release?.version, highest)
    }
  })

  test('stay while they are younger than a year, or among the newest 200, or too few to bother', async () => {
    for (const cluster of [await withHistory(260, NOW), await withHistory(240, OLD)]) {
      const { records } = await audit(cluster)
      await (await open(cluster)).append(facts('Applied', { digest: B, startedAt: NOW }))
      assert.equal((await audit(cluster)).records, records + 1)
    }
  })

  test('stay when the chain has a fault, so that what shows it stays', async () => {
    const cluster = await withHistory(260)
    const paths = [...cluster.objects.keys()].filter((path) => path.includes('/deliveryrecords/')).sort()
    cluster.objects.delete(paths[100] ?? '')
    await (await open(cluster)).append(facts('Applied', { digest: B, startedAt: NOW }))
    assert.deepEqual(
      (await audit(cluster)).faults.map(({ kind, sequence }) => [kind, sequence]),
      [['removed', 101]],
    )
    assert.equal((await audit(cluster)).records, 260)
  })

  test('are dropped to the end by the next puller when this one is killed at any write', async () => {
    for (const stopAt of [1, 2, 3, 4, 5, 30, 62]) {
      const cluster = await withHistory(260)
      let writes = 0
      cluster.onWrite = () => (++writes === stopAt ? 'crash-after' : undefined)
      await assert.rejects((await open(cluster)).append(facts('Applied', { digest: B, startedAt: NOW })), /killed/)
      cluster.onWrite = () => undefined
      assert.deepEqual((await audit(cluster)).faults, [], `killed at write ${stopAt}`)
      const ledger = await open(cluster)
      assert.equal(ledger.summary.broken, undefined)
      await ledger.append(facts('Applied', { digest: B, startedAt: NOW }))
      const report = await audit(cluster)
      assert.deepEqual(report.faults, [])
      assert.ok(report.records <= 203, `${report.records} records are left after write ${stopAt}`)
    }
  })
})
