import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { hasCode } from '../../../contract/errors.ts'
import { auditChain } from '../../../puller/records/audit.ts'
import { recordName } from '../../../puller/records/chain.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { readHead } from '../../../puller/records/heads.ts'
import type { PullerKeys } from '../../../puller/records/keys.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { listRecords, recordsPath } from '../../../puller/records/record.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, B, C, clockAt, DELIVERY, facts, newKeys } from './records-fixture.ts'

const NAMESPACE = 'waybill-system'
const keys = newKeys()
const clock = clockAt('2026-11-21T10:00:00Z')
/** Of a puller that has just started. */
const headsOf = (cluster: FakeCluster, by: PullerKeys = keys) =>
  new HeadKeeper(cluster, { namespace: NAMESPACE, publicPem: by.publicPem, clock })
const open = (cluster: FakeCluster, by: PullerKeys = keys) =>
  openLedger(cluster, by, DELIVERY, { heads: headsOf(cluster, by), clock })
const at = (sequence: number) => `${recordsPath(DELIVERY.namespace)}/${recordName(DELIVERY, sequence)}`
const HEADS = `/api/v1/namespaces/${NAMESPACE}/configmaps/waybill-records`

async function audit(cluster: FakeCluster) {
  const { head } = await readHead(cluster, NAMESPACE, DELIVERY.uid)
  return auditChain(await listRecords(cluster, DELIVERY), { configMap: head }, keys.publicPem, DELIVERY)
}

async function withRecords(...all: Parameters<typeof facts>[]): Promise<FakeCluster> {
  const cluster = new FakeCluster()
  const ledger = await open(cluster)
  for (const one of all) await ledger.append(facts(...one))
  return cluster
}

describe('writing', () => {
  test('a record is created first, and the head moved after it', async () => {
    const cluster = new FakeCluster()
    const ledger = await open(cluster)
    const first = await ledger.append(facts('Intent', { digest: A }))
    const second = await ledger.append(facts('Applied', { digest: A, intent: 1 }))
    const records = recordsPath('shop')
    const configMaps = HEADS.replace(/\/waybill-records$/, '')
    assert.deepEqual(cluster.writes, [`POST ${records}`, `POST ${configMaps}`, `POST ${records}`, `PATCH ${HEADS}`])
    assert.equal(first.sequence, 1)
    assert.equal(second.name, 'api-0b5a3c1e-00000002')
    assert.deepEqual(ledger.summary.head, second)
    assert.deepEqual((await audit(cluster)).faults, [])
    assert.deepEqual([...cluster.identities], ['puller'])
  })

  test('a text that is cut in the middle of a character still verifies after the API server wrote it', async () => {
    const cluster = await withRecords([
      'Failed',
      { error: { code: 'APPLY_FAILED', message: `${'x'.repeat(2046)}😀😀` } },
    ])
    assert.equal((await audit(cluster)).ok, true)
    assert.doesNotMatch(JSON.stringify(cluster.objects.get(at(1))), /\\ud/)
  })

  test('a refusal that is repeated is written once', async () => {
    const refused = () => facts('Refused', { digest: B, error: { code: 'SIGNATURE_MISSING', message: 'none' } })
    const cluster = await withRecords(['Applied', { digest: A }])
    const ledger = await open(cluster)
    const head = await ledger.append(refused())
    const writes = cluster.writes.length
    assert.deepEqual(await ledger.append({ ...refused(), startedAt: '2026-11-21T11:00:00Z' }), head)
    assert.deepEqual(await (await open(cluster)).append(refused()), head)
    assert.equal(cluster.writes.length, writes)
  })

  for (const [what, change] of [
    ['another digest', { digest: C }],
    ['another code', { error: { code: 'SIGNER_UNTRUSTED', message: 'none' } }],
    ['another message', { error: { code: 'SIGNATURE_MISSING', message: 'still none' } }],
    ['an edited spec', { trigger: { type: 'source', generation: 2 } }],
    ['another trigger', { trigger: { type: 'retry', generation: 1 } }],
    ['another kind', { kind: 'Failed' }],
  ] as const)
    test(`a refusal with ${what} is a record of its own`, async () => {
      const refused = facts('Refused', { digest: B, error: { code: 'SIGNATURE_MISSING', message: 'none' } })
      const ledger = await open(new FakeCluster())
      await ledger.append(refused)
      assert.equal((await ledger.append({ ...refused, ...change })).sequence, 2)
    })

  test('the same outcome is written again when something else happened in between', async () => {
    const ledger = await open(new FakeCluster())
    const failed = facts('Failed', { digest: A, error: { code: 'APPLY_FAILED', message: 'no' } })
    await ledger.append(failed)
    await ledger.append(facts('Applied', { digest: A }))
    assert.equal((await ledger.append(failed)).sequence, 3)
    await ledger.append(facts('Applied', { digest: A }))
    assert.equal((await ledger.append(facts('Applied', { digest: A }))).sequence, 5)
  })
})

describe('a puller that is killed', () => {
  const killedAt = async (fault: 'crash-before' | 'crash-after', write: number) => {
    const cluster = await withRecords(['Intent', { digest: A }], ['Applied', { digest: A, intent: 1 }])
    let seen = 0
    cluster.onWrite = () => (++seen === write ? fault : undefined)
    const before = await open(cluster)
    await assert.rejects(before.append(facts('Intent', { digest: B })), /killed/)
    cluster.onWrite = () => undefined
    return cluster
  }

  test('before its record, leaves the chain as it was', async () => {
    const ledger = await open(await killedAt('crash-before', 1))
    assert.equal(ledger.summary.records.length, 2)
    assert.equal(ledger.summary.broken, undefined)
  })

  for (const [when, fault, write] of [
    ['after its record', 'crash-after', 1],
    ['before the head', 'crash-before', 2],
    ['after the head', 'crash-after', 2],
  ] as const)
    test(`${when}, finds the record again, moves the head up and says nothing twice`, async () => {
      const cluster = await killedAt(fault, write)
      assert.equal((await audit(cluster)).ok, true)
      const ledger = await open(cluster)
      assert.equal(ledger.summary.openIntent?.digest, B)
      assert.equal(ledger.summary.broken, undefined)
      assert.equal((await readHead(cluster, NAMESPACE, DELIVERY.uid)).head?.sequence, 3)
      assert.equal((await ledger.append(facts('Applied', { digest: B, intent: 3 }))).sequence, 4)
      assert.deepEqual((await audit(cluster)).faults, [])
    })

  test('after its very first record, needs no head to go on', async () => {
    const cluster = new FakeCluster()
    cluster.onWrite = () => 'crash-after'
    await assert.rejects((await open(cluster)).append(facts('Intent', { digest: A })), /killed/)
    cluster.onWrite = () => undefined
    const ledger = await open(cluster)
    assert.equal(ledger.summary.broken, undefined)
    assert.equal((await ledger.append(facts('Applied', { digest: A }))).sequence, 2)
    assert.equal((await audit(cluster)).ok, true)
  })

  test('a head that could not be written is written before the next record, and asking again writes no second one', async () => {
    const cluster = await withRecords(['Intent', { digest: A }])
    const ledger = await open(cluster)
    cluster.onWrite = (line) => (line.startsWith('PATCH') ? 'crash-before' : undefined)
    const applied = facts('Applied', { digest: A, intent: 1 })
    await assert.rejects(ledger.append(applied), /killed/)
    cluster.onWrite = () => undefined
    assert.equal((await ledger.append(applied)).sequence, 2)
    assert.equal((await readHead(cluster, NAMESPACE, DELIVERY.uid)).head?.sequence, 2)
    assert.equal((await audit(cluster)).records, 2)
  })

  test('a head that others write at the same time is written again, and not for ever', async () => {
    const cluster = await withRecords(['Intent', { digest: A }])
    const ledger = await open(cluster)
    let conflicts = 3
    cluster.onWrite = (line) => (line.startsWith('PATCH') && conflicts-- > 0 ? 'conflict' : undefined)
    assert.equal((await ledger.append(facts('Applied', { digest: A, intent: 1 }))).sequence, 2)
    assert.equal((await readHead(cluster, NAMESPACE, DELIVERY.uid)).head?.sequence, 2)
    conflicts = 1000
    await assert.rejects(ledger.append(facts('Intent', { digest: B })), (error) => hasCode(error, 'CLUSTER_CONFLICT'))
  })

  test('a head that another puller moved further meanwhile is not set back', async () => {
    const cluster = await withRecords(['Intent', { digest: A }])
    const [, configMap = {}] = [...cluster.objects].find(([path]) => path.endsWith('/waybill-records')) ?? []
    const late = { name: recordName(DELIVERY, 2), sequence: 2, hash: A }
    const writeLate = () => headsOf(cluster).write(DELIVERY, late)
    const headNow = async () => (await readHead(cluster, NAMESPACE, DELIVERY.uid)).head?.sequence
    const ledger = await open(cluster)
    await ledger.append(facts('Applied', { digest: A, intent: 1 }))
    await ledger.append(facts('Intent', { digest: B }))
    const [path = '', moved = {}] = [...cluster.objects].find(([path]) => path.endsWith('/waybill-records')) ?? []
    await writeLate()
    assert.equal(await headNow(), 3, 'moved before it was read')
    cluster.objects.set(path, configMap)
    assert.equal(await headNow(), 1)
    cluster.onWrite = () => {
      cluster.objects.set(path, moved)
      return undefined
    }
    await writeLate()
    assert.equal(await headNow(), 3, 'moved between the read and the write')
  })

  test('nor is the very first one, which another puller wrote between the read and the write', async () => {
    const cluster = await withRecords()
    const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/waybill-records`
    await cluster.request('puller', {
      method: 'POST',
      path: path.slice(0, path.lastIndexOf('/')),
      body: { metadata: { name: 'waybill-records' }, data: { 'puller.pub': keys.publicPem } },
    })
    const data = { [DELIVERY.uid]: JSON.stringify({ sequence: 2, hash: B }) }
    cluster.onWrite = () => {
      cluster.objects.set(path, { metadata: { name: 'waybill-records', resourceVersion: 'moved' }, data })
      return undefined
    }
    const first = { name: recordName(DELIVERY, 1), sequence: 1, hash: A }
    await headsOf(cluster).write(DELIVERY, first)
    assert.equal((await readHead(cluster, NAMESPACE, DELIVERY.uid)).head?.sequence, 2)
  })

  test('a create whose answer was lost is taken for what it is', async () => {
    const cluster = await withRecords(['Intent', { digest: A }])
    const ledger = await open(cluster)
    cluster.onWrite = (line) => (line.startsWith('POST') ? 'lost' : undefined)
    const applied = facts('Applied', { digest: A, intent: 1 })
    await assert.rejects(ledger.append(applied), /lost/)
    cluster.onWrite = () => undefined
    assert.equal((await ledger.append(applied)).sequence, 2)
    assert.equal((await audit(cluster)).ok, true)
  })

  test('a puller that remembers an older head than the one that another wrote reads again before it calls the chain broken', async () => {
    const cluster = await withRecords(['Applied', { digest: A }])
    const heads = headsOf(cluster)
    await openLedger(cluster, keys, DELIVERY, { heads, clock })
    const other = await open(cluster)
    for (const digest of [B, C, A]) await other.append(facts('Applied', { digest }))
    const ledger = await openLedger(cluster, keys, DELIVERY, { heads, clock })
    assert.deepEqual([ledger.summary.broken, ledger.summary.head?.sequence], [undefined, 4])
  })

  test('a puller whose head is old before it has the records, since another writes on and on, does not call the chain broken', async () => {
    const cluster = new FakeCluster()
    const other = await open(cluster)
    const heads = headsOf(cluster)
    const read = heads.read.bind(heads)
    let rounds = 3
    heads.read = async (...asked) => {
      const kept = await read(...asked)
      if (rounds-- > 0) for (const digest of [B, C, A]) await other.append(facts('Applied', { digest }))
      return kept
    }
    const { summary } = await openLedger(cluster, keys, DELIVERY, { heads, clock })
    assert.deepEqual([summary.broken, summary.head?.sequence], [undefined, 9])
    assert.equal((await audit(cluster)).ok, true)
  })

  test('two pullers that write at a time do not fork the chain', async () => {
    const cluster = await withRecords(['Applied', { digest: A }])
    const [one, other] = [await open(cluster), await open(cluster)]
    await one.append(facts('Intent', { digest: B }))
    await assert.rejects(other.append(facts('Intent', { digest: C })), (error) => hasCode(error, 'CLUSTER_CONFLICT'))
    assert.equal((await audit(cluster)).ok, true)
  })
})

describe('records that somebody touched', () => {
  const three = () =>
    withRecords(
      ['Applied', { digest: A, version: '1.0.0' }],
      ['Applied', { digest: B, version: '1.1.0' }],
      ['Applied', { digest: C }],
    )

  test('after the newest were removed the chain goes on from the head, and the gap stays visible', async () => {
    const cluster = await three()
    cluster.objects.delete(at(3))
    const ledger = await open(cluster)
    assert.match(ledger.summary.broken ?? '', /head in the ConfigMap is record 3; the newest one here is 2/)
    assert.equal(ledger.summary.current, B)
    assert.equal((await ledger.append(facts('Applied', { digest: A }))).sequence, 4)
    assert.deepEqual(
      (await audit(cluster)).faults.map(({ kind, sequence }) => [kind, sequence]),
      [['removed', 3]],
    )
    assert.match((await open(cluster)).summary.broken ?? '', /record 3 is missing/)
  })

  test('a person who names the newest record accepts the chain as it is, on record, and the audit still shows the fault', async () => {
    const cluster = await three()
    cluster.objects.delete(at(2))
    const { summary } = await open(cluster)
    assert.ok(summary.broken)
    const confirmed = (hash: string) =>
      openLedger(
        cluster,
        keys,
        { ...DELIVERY, annotations: { 'waybill.dev/confirm': hash } },
        { heads: headsOf(cluster), clock },
      )
    assert.ok((await confirmed(A)).summary.broken)
    const hash = summary.head?.hash ?? ''
    const accepted = await confirmed(hash)
    assert.equal(accepted.summary.broken, undefined)
    assert.equal(accepted.summary.records.at(-1)?.kind, 'Checkpoint')
    assert.equal((await open(cluster)).summary.broken, undefined)
    assert.equal((await accepted.append(facts('Applied', { digest: A }))).sequence, 5)
    assert.deepEqual(
      (await audit(cluster)).faults.map(({ kind, sequence, acceptedIn }) => [kind, sequence, acceptedIn]),
      [['removed', 2, 4]],
    )
    cluster.objects.delete(at(5))
    assert.ok((await confirmed(hash)).summary.broken)
  })

  test('when all were removed the next is not the first', async () => {
    const cluster = await three()
    for (const sequence of [1, 2, 3]) cluster.objects.delete(at(sequence))
    const ledger = await open(cluster)
    assert.ok(ledger.summary.broken)
    assert.equal((await ledger.append(facts('Applied', { digest: A }))).sequence, 4)
    assert.equal((await audit(cluster)).ok, false)
  })

  test('an edited record is not believed', async () => {
    const cluster = await three()
    const object = cluster.objects.get(at(2))
    const spec: JsonObject = isJsonObject(object?.spec) ? object.spec : {}
    cluster.objects.set(at(2), { ...object, spec: { ...spec, version: '9.9.9' } })
    const { summary } = await open(cluster)
    assert.match(summary.broken ?? '', /record 2: it is not what the puller signed/)
    assert.deepEqual([...summary.versions.keys()], ['1.0.0'])
    assert.equal(summary.ran.has(B), false)
  })

  test('records by another key are not believed', async () => {
    const cluster = await three()
    const { summary } = await open(cluster, newKeys())
    assert.ok(summary.broken)
    assert.equal(summary.ran.size, 0)
    assert.equal(summary.records.length, 0)
  })

  test('a forged record that takes the next name is passed over, and shows', async () => {
    const cluster = await three()
    const forger = newKeys()
    cluster.objects.set(at(4), {
      ...cluster.objects.get(at(3)),
      metadata: { name: recordName(DELIVERY, 4), namespace: 'shop' },
    })
    const ledger = await open(cluster)
    assert.equal((await ledger.append(facts('Applied', { digest: A }))).sequence, 5)
    assert.equal((await audit(cluster)).ok, false)
    assert.notEqual(forger.keyDigest, keys.keyDigest)
  })

  test('a head that was removed or cannot be read is said', async () => {
    const cluster = await three()
    const heads = cluster.objects.get(HEADS) ?? {}
    cluster.objects.set(HEADS, { ...heads, data: {} })
    assert.match((await open(cluster)).summary.broken ?? '', /no head for this Delivery/)
    cluster.objects.set(HEADS, { ...heads, data: { [DELIVERY.uid]: '{"sequence":1e99}' } })
    assert.match((await open(cluster)).summary.broken ?? '', /cannot be read/)
  })
})
