import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'
import type { InventoryEntry } from './kinds.ts'
import type { PlanContext } from './plan-context.ts'

/** One stored DeliveryInventory object. */
export type InventoryShard = {
  readonly name: string
  readonly index: number
  readonly resourceVersion: string
  /** Keys of its entries (`objectKey`). */
  readonly keys: ReadonlySet<string>
}

/** What a Delivery owns, as written down: entries by `objectKey`, and where they are stored. */
export type Inventory = {
  readonly entries: ReadonlyMap<string, InventoryEntry>
  readonly shards: readonly InventoryShard[]
}

/** @throws WaybillError CLUSTER_NOT_INSTALLED, CLUSTER_FORBIDDEN, CLUSTER_FAILED, INVENTORY_INVALID */
export async function readInventory(_cluster: Cluster, _delivery: PlanContext['delivery']): Promise<Inventory> {
  throw new WaybillError('INTERNAL', 'not yet')
}

/**
 * Stores exactly `entries`, as the puller: writes only shards that change; an entry stays in the shard that it is in.
 * @throws WaybillError CLUSTER_CONFLICT when another puller wrote meanwhile; some shards may then be written
 */
export async function writeInventory(
  _cluster: Cluster,
  _delivery: PlanContext['delivery'],
  _inventory: Inventory,
  _entries: readonly InventoryEntry[],
): Promise<Inventory> {
  throw new WaybillError('INTERNAL', 'not yet')
}
