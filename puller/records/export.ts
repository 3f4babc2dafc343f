import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { listAll } from '../cluster/watch.ts'
import { type DeliveryStatus, deliveryStatusSchema, LABELS } from '../kinds.ts'
import { DELIVERIES_PATH, parseHeader } from '../observe.ts'
import { readHeads } from './heads.ts'
import { PUBLIC_KEY_ENTRY } from './keys.ts'
import { listEveryRecord, type NamedRecord, namedRecord } from './record.ts'
import type { DeliveryRef } from './record-head.ts'

/**
 * Records outside a cluster, as `audit --save` and `uninstall --records-to` write and `audit --records` reads them: a line of JSON each, UTF-8. The first says what
 * it is and holds the public key and the heads by uid; then one for each Delivery, and one for each record, as the cluster had them.
 */
export const EXPORT_FORMAT = 'waybill.dev/records.v1'

/** @throws WaybillError CLUSTER_* */
export async function exportRecords(
  cluster: Cluster,
  namespace: string,
  exportedAt: string,
): Promise<readonly string[]> {
  const { data } = await readHeads(cluster, namespace)
  const heads = Object.fromEntries([...(data ?? [])].filter(([entry]) => entry !== PUBLIC_KEY_ENTRY))
  const deliveries = (await listAll(cluster, DELIVERIES_PATH)).items.map(parseHeader)
  const records = await listEveryRecord(cluster)
  return [
    JSON.stringify({ format: EXPORT_FORMAT, exportedAt, key: data?.get(PUBLIC_KEY_ENTRY) ?? null, heads }),
    ...deliveries.map(({ namespace, name, uid, status: { lastRecord } }) =>
      JSON.stringify({ delivery: { namespace, name, uid, ...(lastRecord === undefined ? {} : { lastRecord }) } }),
    ),
    ...records.map(recordLine),
  ]
}

function recordLine(item: JsonObject): string {
  const { name, namespace, spec } = namedRecord(item)
  const labels = isJsonObject(item.metadata) && isJsonObject(item.metadata.labels) ? item.metadata.labels : {}
  return JSON.stringify({ record: { name, namespace, uid: labels[LABELS.deliveryUid] ?? '', spec } })
}

/** Of an export's lines, those that hold a record. Pure. */
export function recordLines(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith('{"record":'))
}

/** What is to be saved and is not in what was. Pure. */
export function unsavedLines(saved: readonly string[], lines: readonly string[]): readonly string[] {
  const known = new Set(recordLines(saved).map((line) => digestOf(line)))
  return recordLines(lines).filter((line) => !known.has(digestOf(line)))
}

/** What an export tells of one Delivery. */
export type ExportedRecords = {
  readonly delivery: DeliveryRef
  readonly lastRecord?: DeliveryStatus['lastRecord']
  readonly records: readonly NamedRecord[]
  /** PEM. */
  readonly key?: string
  readonly heads: ReadonlyMap<string, string>
}

type Asked = { readonly namespace?: string; readonly name: string; readonly uid?: string }

/**
 * The records of one Delivery in an export; of several of that name the one that was there, or else the newest. Pure.
 * @throws WaybillError FILE_UNREADABLE where a line is none of an export; CLUSTER_NOT_FOUND where it holds none; USAGE where a namespace is needed
 */
export function readExport(lines: readonly string[], asked: Asked): ExportedRecords {
  const [first, ...rest] = lines.map(parseLine)
  if (first?.format !== EXPORT_FORMAT) throw new WaybillError('FILE_UNREADABLE', `line 1: not ${EXPORT_FORMAT}`)
  const living = rest.flatMap(({ delivery }) => (isJsonObject(delivery) ? [delivery] : []))
  const records = rest.flatMap(({ record }) => (isJsonObject(record) ? [record] : []))
  const told = records.flatMap(({ uid, spec }) => {
    const { delivery, startedAt } = isJsonObject(spec) ? spec : {}
    return isJsonObject(delivery) ? [{ ...refOf(delivery), uid: String(uid), startedAt: String(startedAt) }] : []
  })
  const fits = (one: DeliveryRef) =>
    one.name === asked.name &&
    (asked.namespace === undefined || one.namespace === asked.namespace) &&
    (asked.uid === undefined || one.uid === asked.uid)
  const alive = living.map(refOf).filter(fits)
  const gone = told.filter(fits).sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
  if (new Set([...alive, ...gone].map(({ namespace }) => namespace)).size > 1)
    throw new WaybillError('USAGE', `Deliveries of that name were in several namespaces: name one with -n`)
  const found = alive[0] ?? gone[0]
  if (found === undefined) throw new WaybillError('CLUSTER_NOT_FOUND', `the file holds no records of ${asked.name}`)
  const delivery = { namespace: found.namespace, name: found.name, uid: found.uid }
  const last = living.find(({ uid }) => uid === delivery.uid)?.lastRecord
  const status = deliveryStatusSchema.safeParse({ lastRecord: last })
  return {
    delivery,
    ...(status.data?.lastRecord === undefined ? {} : { lastRecord: status.data.lastRecord }),
    records: records
      .filter(({ uid }) => uid === delivery.uid)
      .map(({ name, namespace, spec }) => ({ name: String(name), namespace: String(namespace), spec })),
    ...(typeof first.key === 'string' ? { key: first.key } : {}),
    heads: new Map(Object.entries(isJsonObject(first.heads) ? first.heads : {}).map(([uid, of]) => [uid, String(of)])),
  }
}

function refOf({ namespace, name, uid }: JsonObject): DeliveryRef {
  return { namespace: String(namespace), name: String(name), uid: String(uid) }
}

function parseLine(line: string, i: number): JsonObject {
  try {
    const value: unknown = JSON.parse(line)
    if (isJsonObject(value)) return value
  } catch {
    // Said below.
  }
  throw new WaybillError('FILE_UNREADABLE', `line ${i + 1}: not a line of an export of records`)
}
