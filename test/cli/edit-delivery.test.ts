import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDelivery } from '../../cli/cluster.ts'
import { WaybillError } from '../../contract/errors.ts'
import { FakeCluster } from '../fakes/cluster.ts'

const path = '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/shop'

function clusterWithDelivery(): { readonly cluster: FakeCluster; readonly touch: (generation: number) => void } {
  const cluster = new FakeCluster()
  let version = 0
  const touch = (generation: number) => {
    version += 1
    const metadata = { name: 'shop', namespace: 'shop', uid: 'u', generation, resourceVersion: String(version) }
    const spec = { source: { repository: 'registry.example.com/acme/shop', channel: 'production' } }
    cluster.objects.set(path, { apiVersion: 'waybill.dev/v1alpha1', kind: 'Delivery', metadata, spec })
  }
  touch(1)
  return { cluster, touch }
}

/** An edit that comes too late as long as `meanwhile` changes the Delivery before it. */
function lateEdit(cluster: FakeCluster, meanwhile: (attempt: number) => void) {
  const seen: string[] = []
  const edit = async ({ resourceVersion }: { readonly resourceVersion: string }) => {
    seen.push(resourceVersion)
    meanwhile(seen.length)
    const now = cluster.objects.get(path)?.metadata
    const current =
      typeof now === 'object' && now !== null && 'resourceVersion' in now ? now.resourceVersion : undefined
    if (current !== resourceVersion) throw new WaybillError('CLUSTER_CONFLICT', 'too late')
    return 'edited'
  }
  return { edit, seen }
}

test('an edit that the puller’s status overtook is made again on what is there now', async () => {
  const { cluster, touch } = clusterWithDelivery()
  const { edit, seen } = lateEdit(cluster, (attempt) => attempt <= 2 && touch(1))
  assert.equal(await editDelivery(cluster, 'shop', 'shop', edit), 'edited')
  assert.deepEqual(seen, ['1', '2', '3'])
})

test('an edit is not made over what somebody else wished meanwhile', async () => {
  const { cluster, touch } = clusterWithDelivery()
  const { edit, seen } = lateEdit(cluster, () => touch(2))
  await assert.rejects(editDelivery(cluster, 'shop', 'shop', edit), { code: 'CLUSTER_CONFLICT' })
  assert.deepEqual(seen, ['1'])
})

test('an edit that always comes too late is given up', async () => {
  const { cluster, touch } = clusterWithDelivery()
  const { edit, seen } = lateEdit(cluster, () => touch(1))
  await assert.rejects(editDelivery(cluster, 'shop', 'shop', edit), { code: 'CLUSTER_CONFLICT' })
  assert.equal(seen.length, 8)
})
