import { objectName } from '../../contract/artifact/objects.ts'
import { timestamp } from '../clock.ts'
import type { Change, InventoryEntry } from '../kinds.ts'
import { sayError } from '../message.ts'
import { inventoriesPath, listInventories, parseShard, readInventory } from '../plan/inventory.ts'
import { deliveryExists } from '../plan/other-deliveries.ts'
import { openLedger } from '../records/ledger.ts'
import { isDeparture } from '../records/ledger-summary.ts'
import { changeList } from '../records/record.ts'
import type { DeliveryRef } from '../records/record-head.ts'
import type { Site } from '../site.ts'
import { forgetInventory } from './forget-inventory.ts'
import { isNamespaceEnding } from './namespace-ending.ts'

type Here = Pick<Site, 'cluster' | 'clock' | 'keys' | 'heads'> & { readonly log: Pick<Site['log'], 'warn'> }

/**
 * Deliveries with `deletion: orphan` go without us. What they leave behind of ours is recorded as Removed, object by object, and their inventories
 * are deleted; nothing of the user's is touched. `alive`: uids of the Deliveries that are known to be there.
 * @throws WaybillError where inventories cannot be listed; what concerns one Delivery is logged
 */
export async function forgetDeparted(site: Here, alive: ReadonlySet<string>): Promise<void> {
  const departed = new Map<string, DeliveryRef>()
  for (const shard of await listInventories(site.cluster, inventoriesPath())) {
    const { namespace, spec } = parseShard(shard)
    const { name, uid } = spec.delivery
    if (!alive.has(uid)) departed.set(uid, { namespace, name, uid })
  }
  for (const delivery of departed.values())
    try {
      await forget(site, delivery)
    } catch (error) {
      const { code, message } = sayError(error)
      site.log.warn({ delivery: `${delivery.namespace}/${delivery.name}`, code }, message)
    }
}

async function forget({ cluster, clock, keys, heads }: Here, delivery: DeliveryRef): Promise<void> {
  if (await deliveryExists(cluster, delivery)) return
  if (await isNamespaceEnding(cluster, delivery.namespace)) return
  const inventory = await readInventory(cluster, delivery)
  const ledger = await openLedger(cluster, keys, delivery, { heads, clock })
  const newest = ledger.summary.records.at(-1)
  const at = timestamp(clock)
  if (!isDeparture(newest))
    await ledger.append({
      kind: 'Removed',
      trigger: {
        type: 'deletion',
        generation: newest?.trigger.generation ?? 1,
        reason: 'the Delivery was deleted, and what it delivered was left where it is',
      },
      changes: changeList([...inventory.entries.values()].map(left)),
      startedAt: at,
      finishedAt: at,
    })
  await forgetInventory(cluster, delivery.namespace, inventory)
}

function left(entry: InventoryEntry): Change {
  return { action: 'forget', object: objectName(entry) }
}
