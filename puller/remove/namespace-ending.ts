import { causesOf } from '../cluster/answer.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { API_VERSION } from '../kinds.ts'
import { inventoriesPath } from '../plan/inventory.ts'

/**
 * Asks whether a namespace is being deleted, by trying, without writing, to create something of ours in it: a namespace that ends takes
 * nothing new, and the puller may not look at namespaces.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function isNamespaceEnding(cluster: Cluster, namespace: string): Promise<boolean> {
  const answer = await cluster.request('puller', {
    method: 'POST',
    path: inventoriesPath(namespace),
    query: { dryRun: 'All' },
    body: {
      apiVersion: API_VERSION,
      kind: 'DeliveryInventory',
      metadata: { generateName: 'waybill-asks-', namespace },
      spec: { delivery: { name: 'x', uid: 'x' }, shard: 0, entries: [] },
    },
  })
  return answer.status === 403 && causesOf(answer).some(({ reason }) => reason === 'NamespaceTerminating')
}
