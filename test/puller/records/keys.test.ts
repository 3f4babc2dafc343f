import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../contract/errors.ts'
import { loadPullerKeys } from '../../../puller/records/keys.ts'
import { FakeCluster } from '../../fakes/cluster.ts'

const NAMESPACE = 'waybill-system'
const SECRET = `/api/v1/namespaces/${NAMESPACE}/secrets/waybill-puller-key`
const RECORDS = `/api/v1/namespaces/${NAMESPACE}/configmaps/waybill-records`
const load = (cluster: FakeCluster) => loadPullerKeys(cluster, NAMESPACE)
const isKeyError = (error: unknown) => hasCode(error, 'RECORD_KEY')

describe('the puller’s key', () => {
  test('is made at the first start and the same ever after', async () => {
    const cluster = new FakeCluster()
    const first = await load(cluster)
    const writes = cluster.writes.length
    const again = await load(cluster)
    assert.equal(again.keyDigest, first.keyDigest)
    assert.deepEqual(again.claimKey, first.claimKey)
    assert.equal(first.claimKey.length, 32)
    assert.equal(cluster.writes.length, writes)
  })

  test('is one, when many start at a time or one is killed between the writes', async () => {
    const cluster = new FakeCluster()
    cluster.onWrite = () => 'crash-after'
    await assert.rejects(load(cluster), /killed/)
    cluster.onWrite = () => undefined
    const all = await Promise.all([load(cluster), load(cluster), load(cluster)])
    assert.equal(new Set(all.map(({ keyDigest }) => keyDigest)).size, 1)
  })

  test('is not replaced when it is gone while its public half is there', async () => {
    const cluster = new FakeCluster()
    await load(cluster)
    cluster.objects.delete(SECRET)
    await assert.rejects(load(cluster), isKeyError)
    assert.equal(cluster.objects.has(SECRET), false)
  })

  test('is refused when it is damaged, or not the one whose public half is kept', async () => {
    const cluster = new FakeCluster()
    await load(cluster)
    const secret = cluster.objects.get(SECRET) ?? {}
    cluster.objects.set(SECRET, { ...secret, data: {} })
    await assert.rejects(load(cluster), isKeyError)
    const other = new FakeCluster()
    await load(other)
    cluster.objects.set(SECRET, other.objects.get(SECRET) ?? {})
    await assert.rejects(load(cluster), isKeyError)
  })

  test('gets its public half kept again when only that is gone', async () => {
    const cluster = new FakeCluster()
    const { keyDigest } = await load(cluster)
    cluster.objects.set(RECORDS, { ...cluster.objects.get(RECORDS), data: {} })
    assert.equal((await load(cluster)).keyDigest, keyDigest)
    assert.match(JSON.stringify(cluster.objects.get(RECORDS)), /puller\.pub/)
  })

  test('never shows in an error', async () => {
    const cluster = new FakeCluster()
    await load(cluster)
    cluster.objects.set(SECRET, {
      data: { 'key.pem': Buffer.from('s3cr3t').toString('base64'), 'claim.key': Buffer.alloc(32).toString('base64') },
    })
    await assert.rejects(load(cluster), (error) => isKeyError(error) && !/s3cr3t|czNjcjN0/.test(String(error)))
  })
})
