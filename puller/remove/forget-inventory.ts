import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { type Inventory, inventoriesPath } from '../plan/inventory.ts'

/** Deletes the shards of an inventory whose Delivery is gone, or is about to be. @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED */
export async function forgetInventory(cluster: Cluster, namespace: string, { shards }: Inventory): Promise<void> {
  for (const { name } of shards) {
    const path = `${inventoriesPath(namespace)}/${encodeURIComponent(name)}`
    const answer = await cluster.request('puller', { method: 'DELETE', path })
    if (answer.status >= 300 && answer.status !== 404) throw answerError(`DeliveryInventory ${name}`, answer)
  }
}
