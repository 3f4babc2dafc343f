import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordsOf } from '../../cli/records-of.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../puller/cluster/cluster-port.ts'
import { deliveryPath } from '../../puller/observe.ts'
import { HeadKeeper } from '../../puller/records/head-keeper.ts'
import { openLedger } from '../../puller/records/ledger.ts'
import { recordsPath } from '../../puller/records/record.ts'
import { FakeCluster } from '../fakes/cluster.ts'
import { A, clockAt, DELIVERY, facts, newKeys } from '../puller/records/records-fixture.ts'

const { namespace, name, uid } = DELIVERY

/** Lists records of every Delivery, too. */
class Here extends FakeCluster {
  override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    const { path, query } = request
    if (path !== recordsPath(namespace) || request.method !== 'GET' || query?.labelSelector !== undefined)
      return super.request(as, request)
    const items = [...this.objects].flatMap(([at, object]) => (at.startsWith(`${path}/`) ? [object] : []))
    return { status: 200, body: { items, metadata: { resourceVersion: '1' } } }
  }
}

/** Records of two Deliveries of one name, the later one second. */
async function left() {
  const cluster = new Here()
  const keys = newKeys()
  for (const [i, one] of [uid, 'later'].entries()) {
    const clock = clockAt('2026-11-21T10:00:00Z')
    const heads = new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock })
    const ledger = await openLedger(cluster, keys, { ...DELIVERY, uid: one }, { heads, clock })
    await ledger.append({ ...facts('Intent', { digest: A }), startedAt: `2026-11-2${i + 1}T10:00:00Z` })
  }
  return cluster
}

test('records of a Delivery that is gone are found by its name, the newest of that name, or by its uid', async () => {
  const cluster = await left()
  const found = (asked?: string) => recordsOf(cluster, { namespace, name, uid: asked })
  assert.deepEqual(await found(), { delivery: { namespace, name, uid: 'later' } })
  assert.deepEqual(await found(uid), { delivery: { namespace, name, uid } })
  await assert.rejects(found('another'), { code: 'CLUSTER_NOT_FOUND' })
  await assert.rejects(recordsOf(cluster, { namespace, name: 'nothing', uid: undefined }), {
    code: 'CLUSTER_NOT_FOUND',
  })
})

test('one that is there comes before those that are gone, unless they are asked for by uid', async () => {
  const cluster = await left()
  const metadata = { namespace, name, uid: 'now', resourceVersion: '1', generation: 1 }
  cluster.objects.set(deliveryPath(namespace, name), { metadata, status: {} })
  const { delivery, status } = await recordsOf(cluster, { namespace, name, uid: undefined })
  assert.deepEqual([delivery.uid, status], ['now', {}])
  assert.deepEqual(await recordsOf(cluster, { namespace, name, uid }), { delivery: { namespace, name, uid } })
})
