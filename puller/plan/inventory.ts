import { isDeepStrictEqual } from 'node:util'
import { objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import { API_VERSION, type InventoryEntry, inventorySpecSchema, LABELS } from '../kinds.ts'
import { applySetId } from './desired.ts'
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

const PAGE = '20'

/**
 * Reads every shard that is labelled with the Delivery's uid, as the puller.
 * @throws WaybillError CLUSTER_NOT_INSTALLED, CLUSTER_FORBIDDEN, CLUSTER_FAILED; INVENTORY_INVALID for what we never write: planning on half
 *   an inventory would lose objects
 */
export async function readInventory(cluster: Cluster, delivery: PlanContext['delivery']): Promise<Inventory> {
  const items = await listInventories(
    cluster,
    inventoriesPath(delivery.namespace),
    `${LABELS.deliveryUid}=${delivery.uid}`,
  )
  const entries = new Map<string, InventoryEntry>()
  const shards = items.map((item): InventoryShard => {
    const { name, resourceVersion, spec } = parseShard(item)
    if (spec.delivery.uid !== delivery.uid) throw invalid(name, 'it speaks of another Delivery')
    const keys = spec.entries.map((entry) => objectKey(entry))
    for (const [i, entry] of spec.entries.entries()) {
      const key = keys[i] ?? ''
      if (entries.has(key)) throw invalid(name, 'an object is listed twice')
      entries.set(key, entry)
    }
    return { name, index: spec.shard, resourceVersion, keys: new Set(keys) }
  })
  return { entries, shards: shards.sort((a, b) => a.index - b.index) }
}

/** Every DeliveryInventory object at a path, in pages. @throws WaybillError as readInventory */
export async function listInventories(cluster: Cluster, path: string, labelSelector?: string): Promise<JsonObject[]> {
  const items: JsonObject[] = []
  for (let token = ''; ; ) {
    const query = { limit: PAGE, ...(labelSelector && { labelSelector }), ...(token !== '' && { continue: token }) }
    const answer = await cluster.request('puller', { method: 'GET', path, query })
    if (answer.status !== 200) throw failure(answer, 'reading the inventory')
    items.push(...(Array.isArray(answer.body.items) ? answer.body.items.filter(isJsonObject) : []))
    const { metadata } = answer.body
    token = isJsonObject(metadata) && typeof metadata.continue === 'string' ? metadata.continue : ''
    if (token === '') return items
  }
}

/** `/apis/waybill.dev/v1alpha1[/namespaces/<namespace>]/deliveryinventories` */
export function inventoriesPath(namespace?: string): string {
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  return `/apis/${API_VERSION}${scope}/deliveryinventories`
}

/** @throws WaybillError INVENTORY_INVALID */
export function parseShard({ metadata, spec }: JsonObject) {
  const { name, namespace, resourceVersion } = isJsonObject(metadata) ? metadata : {}
  const parsed = inventorySpecSchema.safeParse(spec)
  if (typeof name !== 'string' || typeof resourceVersion !== 'string' || !parsed.success)
    throw invalid(typeof name === 'string' ? name : '?', 'it is not what Waybill writes')
  return { name, namespace: typeof namespace === 'string' ? namespace : '', resourceVersion, spec: parsed.data }
}

/**
 * Stores exactly `entries`, as the puller: writes only shards that change; an entry stays in the shard that it is in, so that no
 * crash between two writes can lose one.
 * @throws WaybillError CLUSTER_CONFLICT when another puller wrote meanwhile; some shards may then be written
 */
export async function writeInventory(
  cluster: Cluster,
  delivery: PlanContext['delivery'],
  inventory: Inventory,
  entries: readonly InventoryEntry[],
): Promise<Inventory> {
  const wanted = new Map(entries.map((entry) => [objectKey(entry), entry]))
  const shards: InventoryShard[] = []
  for (const { shard, index, keys } of spread(inventory.shards, [...wanted.keys()])) {
    const same =
      shard !== undefined &&
      shard.keys.size === keys.length &&
      keys.every((key) => shard.keys.has(key) && isSame(inventory.entries.get(key), wanted.get(key)))
    if (same) shards.push(shard)
    else {
      const listed = keys.flatMap((key) => wanted.get(key) ?? [])
      shards.push(await storeShard(cluster, delivery, shard, index, listed))
    }
  }
  return { entries: wanted, shards }
}

/** Same entries as stored already: writeInventory would write nothing. */
export function isStored(inventory: Inventory, entries: readonly InventoryEntry[]): boolean {
  return (
    entries.length === inventory.entries.size &&
    entries.every((entry) => isSame(inventory.entries.get(objectKey(entry)), entry))
  )
}

function isSame(a: InventoryEntry | undefined, b: InventoryEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.uid === b.uid && a.state === b.state && isDeepStrictEqual(a.run, b.run)
}

type Room = { readonly shard: InventoryShard | undefined; readonly index: number; readonly keys: string[] }

/** Which keys each shard holds: those it has, and new ones in the first shard with room. Empty shards are kept: they are few. */
function spread(shards: readonly InventoryShard[], keys: readonly string[]): readonly Room[] {
  const wanted = new Set(keys)
  const rooms: Room[] = shards.map((shard) => ({
    shard,
    index: shard.index,
    keys: [...shard.keys].filter((key) => wanted.has(key)),
  }))
  const placed = new Set(rooms.flatMap((room) => room.keys))
  let at = 0
  for (const key of keys.filter((key) => !placed.has(key)).sort()) {
    while ((rooms[at]?.keys.length ?? 0) >= LIMITS.inventoryShardEntriesMax) at++
    rooms[at] ??= { shard: undefined, index: Math.max(-1, ...rooms.map(({ index }) => index)) + 1, keys: [] }
    rooms[at]?.keys.push(key)
  }
  return rooms
}

async function storeShard(
  cluster: Cluster,
  delivery: PlanContext['delivery'],
  shard: InventoryShard | undefined,
  index: number,
  entries: readonly InventoryEntry[],
): Promise<InventoryShard> {
  const name = shard?.name ?? shardName(delivery, index)
  const listed: Json = entries.map(storedEntry)
  const body = {
    apiVersion: API_VERSION,
    kind: 'DeliveryInventory',
    metadata: {
      name,
      namespace: delivery.namespace,
      labels: {
        [LABELS.deliveryUid]: delivery.uid,
        [LABELS.applySet]: applySetId(delivery),
        ...labelled(delivery.name),
      },
      ...(shard !== undefined && { resourceVersion: shard.resourceVersion }),
    },
    spec: { delivery: { name: delivery.name, uid: delivery.uid }, shard: index, entries: listed },
  }
  const path = inventoriesPath(delivery.namespace)
  const answer = await (shard === undefined
    ? cluster.request('puller', { method: 'POST', path, body })
    : cluster.request('puller', { method: 'PUT', path: `${path}/${encodeURIComponent(name)}`, body }))
  if (answer.status !== 200 && answer.status !== 201) throw failure(answer, 'writing the inventory')
  const { resourceVersion } = parseShard(answer.body)
  return { name, index, resourceVersion, keys: new Set(entries.map((entry) => objectKey(entry))) }
}

function storedEntry({ uid, run, ...entry }: InventoryEntry): JsonObject {
  return {
    ...entry,
    ...(uid !== undefined && { uid }),
    ...(run !== undefined && { run: { ...run, ended: run.ended } }),
  }
}

/** What is cut must not end in what no part of a name may end in. */
function shardName({ name, uid }: PlanContext['delivery'], index: number): string {
  return `${name.slice(0, 200).replace(/[.-]+$/, '')}-${uid.slice(0, 8)}-${index}`
}

/** A label's value holds 63 characters, a name up to 253. */
function labelled(name: string): JsonObject {
  return name.length <= 63 ? { [LABELS.delivery]: name } : {}
}

function invalid(name: string, why: string): WaybillError {
  return new WaybillError('INVENTORY_INVALID', `DeliveryInventory ${name}: ${why}`)
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  403: 'CLUSTER_FORBIDDEN',
  404: 'CLUSTER_NOT_INSTALLED',
  409: 'CLUSTER_CONFLICT',
}

function failure(answer: ClusterAnswer, doing: string): WaybillError {
  return new WaybillError(CODES[answer.status] ?? 'CLUSTER_FAILED', `${doing}: ${answerReason(answer)}`)
}
