import { objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { API_VERSION } from '../kinds.ts'
import { inventoriesPath, listInventories, parseShard } from './inventory.ts'
import type { PlanContext } from './plan-context.ts'

/**
 * Every object that another living Delivery has in its inventory: `namespace/name` of the Delivery by `objectKey`. Inventories that their
 * Delivery has left behind own nothing. Asked as the puller.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED, INVENTORY_INVALID
 */
export async function otherDeliveries(
  cluster: Cluster,
  delivery: PlanContext['delivery'],
): Promise<ReadonlyMap<string, string>> {
  const shards = (await listInventories(cluster, inventoriesPath())).map(parseShard)
  const foreign = shards.filter(({ spec }) => spec.delivery.uid !== delivery.uid)
  const alive = new Map<string, boolean>()
  const owners = new Map<string, string>()
  for (const { namespace, spec } of foreign) {
    const { name, uid } = spec.delivery
    const lives = alive.get(uid) ?? (await deliveryExists(cluster, { namespace, name, uid }))
    alive.set(uid, lives)
    if (lives) for (const entry of spec.entries) owners.set(objectKey(entry), `${namespace}/${name}`)
  }
  return owners
}

/** Whether the Delivery with this uid is there. @throws WaybillError CLUSTER_FAILED */
export async function deliveryExists(
  cluster: Cluster,
  { namespace, name, uid }: PlanContext['delivery'],
): Promise<boolean> {
  const path = `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/deliveries/${encodeURIComponent(name)}`
  const answer = await cluster.request('puller', { method: 'GET', path })
  if (answer.status === 404) return false
  if (answer.status !== 200)
    throw new WaybillError('CLUSTER_FAILED', `looking at Delivery ${namespace}/${name}: ${answerReason(answer)}`)
  return isJsonObject(answer.body.metadata) && answer.body.metadata.uid === uid
}
