import { isJsonObject } from '../contract/canonical-json.ts'
import { hasCode, WaybillError } from '../contract/errors.ts'
import type { Cluster } from '../puller/cluster/cluster-port.ts'
import { listAll } from '../puller/cluster/watch.ts'
import { type DeliveryStatus, LABELS, recordSpecSchema } from '../puller/kinds.ts'
import { parseHeader } from '../puller/observe.ts'
import { recordsPath } from '../puller/records/record.ts'
import type { DeliveryRef } from '../puller/records/record-head.ts'
import { readDelivery } from './cluster.ts'

/** Whose records they are. Without `status` the Delivery is gone, and its records stayed. */
export type RecordsOf = { readonly delivery: DeliveryRef; readonly status?: DeliveryStatus }

/**
 * The Delivery of this name or, where there is none, the newest of this name that left records; with `uid` exactly that one.
 * @throws WaybillError CLUSTER_NOT_FOUND where there are no records either; CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function recordsOf(
  cluster: Cluster,
  { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string | undefined },
): Promise<RecordsOf> {
  try {
    const { status, ...header } = parseHeader(await readDelivery(cluster, namespace, name))
    if (uid === undefined || uid === header.uid) return { delivery: { namespace, name, uid: header.uid }, status }
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_NOT_FOUND')) throw error
  }
  const left = await departed(cluster, namespace, name)
  const found = uid ?? [...left].sort(([, a], [, b]) => (a < b ? 1 : -1))[0]?.[0]
  if (found === undefined || !left.has(found))
    throw new WaybillError(
      'CLUSTER_NOT_FOUND',
      `Delivery ${namespace}/${name}${uid === undefined ? '' : ` with uid ${uid}`}: neither it nor records of it are there`,
    )
  return { delivery: { namespace, name, uid: found } }
}

/** When the newest record of each Delivery that ever had this name was begun, by uid. */
async function departed(cluster: Cluster, namespace: string, name: string): Promise<ReadonlyMap<string, string>> {
  const newest = new Map<string, string>()
  for (const { metadata, spec } of (await listAll(cluster, recordsPath(namespace))).items) {
    const labels = isJsonObject(metadata) && isJsonObject(metadata.labels) ? metadata.labels : {}
    const uid = labels[LABELS.deliveryUid]
    const { data } = recordSpecSchema.safeParse(spec)
    if (typeof uid !== 'string' || data === undefined || data.delivery.name !== name) continue
    const { startedAt } = data
    if (startedAt > (newest.get(uid) ?? '')) newest.set(uid, startedAt)
  }
  return newest
}
