import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readInventory, writeInventory } from '../../../puller/plan/inventory.ts'
import { FakeCluster } from '../../fakes/cluster.ts'

test('an inventory of a Delivery with a name of any length has a name that Kubernetes takes', async () => {
  for (const name of ['shop', 'a'.repeat(253), `${'a'.repeat(199)}.${'b'.repeat(53)}`, `${'a'.repeat(198)}-.b`]) {
    const cluster = new FakeCluster()
    const delivery = { name, namespace: 'shop', uid: '0b5a3c1e-1111-4222-8333-444455556666' }
    const entry = { group: '', kind: 'ConfigMap', namespace: 'shop', name: 'a', state: 'pending' as const }
    const { shards } = await writeInventory(cluster, delivery, await readInventory(cluster, delivery), [entry])
    const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
    assert.match(shards[0]?.name ?? '', new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`))
  }
})
