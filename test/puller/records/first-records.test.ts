import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../../puller/cluster/cluster-port.ts'
import { LABELS } from '../../../puller/kinds.ts'
import { FirstRecords } from '../../../puller/records/first-records.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { recordsPath } from '../../../puller/records/record.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, clockAt, DELIVERY, facts, newKeys } from './records-fixture.ts'

/** Answers lists of the whole cluster with these, whatever they were asked for. */
class Records extends FakeCluster {
  readonly lists: string[] = []
  everywhere: { readonly status: number; readonly items: readonly JsonObject[] } = { status: 200, items: [] }

  override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    const { method, path, query } = request
    if (method === 'GET' && path.endsWith('/deliveryrecords')) this.lists.push(`${path} ${query?.labelSelector}`)
    if (method !== 'GET' || path !== recordsPath()) return super.request(as, request)
    return { status: this.everywhere.status, body: { items: [...this.everywhere.items] } }
  }
}

const record = (namespace: string, uid: string, name: string): JsonObject => ({
  metadata: { namespace, name, labels: { [LABELS.deliveryUid]: uid } },
  spec: {},
})
const shop = { namespace: 'shop', uid: 'u1' }
const blog = { namespace: 'blog', uid: 'u2' }

test('Deliveries are listed for together, and each gets its own records, once', async () => {
  const cluster = new Records()
  const items = [
    record('shop', 'u1', 'b'),
    record('shop', 'u1', 'a'),
    record('blog', 'u2', 'c'),
    record('blog', 'u1', 'd'),
  ]
  cluster.everywhere = { status: 200, items }
  const first = new FirstRecords(cluster, [shop, blog])
  const names = async (of: typeof shop) => (await first.take(of))?.map(({ name }) => name)
  assert.deepEqual(await names(blog), ['c'])
  assert.deepEqual(await names(shop), ['a', 'b'])
  assert.deepEqual(cluster.lists, [`${recordsPath()} ${LABELS.deliveryUid} in (u2,u1)`])
  assert.equal(await names(shop), undefined)
  assert.equal(await names({ namespace: 'shop', uid: 'made later' }), undefined)
})

test('a thousand of them are listed for in few requests of bounded size', async () => {
  const cluster = new Records()
  const all = Array.from({ length: 1000 }, (_, i) => ({ namespace: 'shop', uid: `u${i}` }))
  const first = new FirstRecords(cluster, all)
  for (const one of all) assert.deepEqual(await first.take(one), [])
  assert.equal(cluster.lists.length, 50)
})

const keys = newKeys()
const clock = clockAt('2026-11-21T10:00:00Z')
const open = (cluster: FakeCluster, firstRecords?: FirstRecords) => {
  const heads = new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock })
  return openLedger(cluster, keys, DELIVERY, { heads, clock, ...(firstRecords && { firstRecords }) })
}

test('a Delivery without a head is not listed for again', async () => {
  const cluster = new Records()
  const ledger = await open(cluster, new FirstRecords(cluster, [DELIVERY]))
  assert.equal(ledger.summary.head, undefined)
  assert.equal(cluster.lists.length, 1)
})

test('what was listed together says nothing of a Delivery that has a head', async () => {
  const cluster = new Records()
  await (await open(cluster)).append(facts('Intent', { digest: A }))
  const ledger = await open(cluster, new FirstRecords(cluster, [DELIVERY]))
  assert.equal(ledger.summary.broken, undefined)
  assert.equal(ledger.summary.head?.sequence, 1)
})

test('where they cannot be listed together, each is listed for', async () => {
  const cluster = new Records()
  cluster.everywhere = { status: 403, items: [] }
  const ledger = await open(cluster, new FirstRecords(cluster, [DELIVERY]))
  assert.equal(ledger.summary.broken, undefined)
  assert.equal(cluster.lists.length, 2)
})
