import { canonicalJson, isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import {
  API_VERSION,
  type Change,
  type ChangeList,
  LABELS,
  type RecordFacts,
  type RecordSpec,
  recordFactsSchema,
} from '../kinds.ts'
import { recordName } from './chain.ts'

/** A DeliveryRecord as it was found, believed or not. */
export type NamedRecord = { readonly name: string; readonly namespace: string; readonly spec: unknown }

const RECORDS_PER_PAGE = 50
/** All changes that a record lists, as JSON: with the rest of a record well under etcd's 1.5 MiB. */
const LISTED_BYTES_MAX = 256 * 1024
export const FIELDS_MAX = 50
const ERROR_OBJECTS_MAX = 50

/**
 * Every DeliveryRecord that is labelled with this Delivery's uid, by name. Nothing is checked: audit and ledger do that.
 * @throws WaybillError CLUSTER_NOT_INSTALLED, CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function listRecords(
  cluster: Cluster,
  delivery: { readonly namespace: string; readonly uid: string },
): Promise<NamedRecord[]> {
  const items = await listItems(cluster, recordsPath(delivery.namespace), `${LABELS.deliveryUid}=${delivery.uid}`)
  return byName(items.map(namedRecord))
}

/**
 * Those of several Deliveries, in one list of the whole cluster; a record in another namespace than its Delivery's is none of its.
 * @throws WaybillError as listRecords
 */
export async function listRecordsOf(
  cluster: Cluster,
  deliveries: readonly { readonly namespace: string; readonly uid: string }[],
): Promise<ReadonlyMap<string, readonly NamedRecord[]>> {
  const uids = deliveries.map(({ uid }) => uid)
  const items = await listItems(cluster, recordsPath(), `${LABELS.deliveryUid} in (${uids.join(',')})`)
  const found = items.map((item) => ({ uid: labelledUid(item), record: namedRecord(item) }))
  return new Map(
    deliveries.map(({ uid, namespace }) => {
      const own = found.filter((one) => one.uid === uid && one.record.namespace === namespace)
      return [uid, byName(own.map(({ record }) => record))]
    }),
  )
}

/** Every DeliveryRecord of the cluster, as it was found. @throws WaybillError as listRecords */
export function listEveryRecord(cluster: Cluster): Promise<readonly JsonObject[]> {
  return listItems(cluster, recordsPath())
}

async function listItems(cluster: Cluster, path: string, labelSelector = ''): Promise<JsonObject[]> {
  const items: JsonObject[] = []
  for (let next = ''; ; ) {
    const query = { labelSelector, limit: String(RECORDS_PER_PAGE), ...(next === '' ? {} : { continue: next }) }
    const answer = await cluster.request('puller', { method: 'GET', path, query })
    if (answer.status === 404)
      throw new WaybillError('CLUSTER_NOT_INSTALLED', 'the cluster does not know DeliveryRecords')
    if (answer.status !== 200) throw answerError('the list of records', answer)
    items.push(...(Array.isArray(answer.body.items) ? answer.body.items.filter(isJsonObject) : []))
    const { metadata } = answer.body
    next = isJsonObject(metadata) && typeof metadata.continue === 'string' ? metadata.continue : ''
    if (next === '') return items
  }
}

function byName(records: NamedRecord[]): NamedRecord[] {
  return records.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function labelledUid({ metadata }: JsonObject): string {
  const labels = isJsonObject(metadata) ? metadata.labels : undefined
  return isJsonObject(labels) ? String(labels[LABELS.deliveryUid] ?? '') : ''
}

/** One item of a list of DeliveryRecords. */
export function namedRecord(item: unknown): NamedRecord {
  const object = isJsonObject(item) ? item : {}
  const metadata = isJsonObject(object.metadata) ? object.metadata : {}
  return { name: String(metadata.name ?? ''), namespace: String(metadata.namespace ?? ''), spec: object.spec }
}

/** Without a namespace: of the whole cluster. */
export function recordsPath(namespace?: string): string {
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  return `/apis/${API_VERSION}${scope}/deliveryrecords`
}

/** The object that is written for a spec. */
export function recordObject(spec: RecordSpec): JsonObject {
  const { delivery, sequence } = spec
  const json: JsonObject = JSON.parse(canonicalJson(spec))
  return {
    apiVersion: API_VERSION,
    kind: 'DeliveryRecord',
    metadata: {
      name: recordName(delivery, sequence),
      namespace: delivery.namespace,
      labels: { [LABELS.deliveryUid]: delivery.uid },
    },
    spec: json,
  }
}

/**
 * Bounds a list of changes for a record: how many, the digest of the canonical JSON of the whole list, and the first of
 * them, at most LIMITS.recordChangesMax and 256 KiB.
 */
export function changeList(changes: readonly Change[]): ChangeList {
  const listed: Change[] = []
  let bytes = 0
  for (const change of changes.slice(0, LIMITS.recordChangesMax)) {
    const bounded = boundChange(change)
    bytes += Buffer.byteLength(JSON.stringify(bounded))
    if (bytes > LISTED_BYTES_MAX) break
    listed.push(bounded)
  }
  return { total: changes.length, digest: digestOf(canonicalJson(plain(changes))), listed }
}

/**
 * Facts as a record can hold them: texts cut to their bounds and made well-formed Unicode (the API server would alter a
 * lone surrogate, and the signature with it), nothing undefined.
 * @throws WaybillError INTERNAL when they are not facts
 */
export function boundFacts(facts: RecordFacts): RecordFacts {
  const { error, changes, trigger } = facts
  const bounded = {
    ...facts,
    trigger: { ...trigger, by: cut(trigger.by, 256), reason: cut(trigger.reason, 1024) },
    ...(changes === undefined ? {} : { changes: { ...changes, ...boundListed(changes.listed) } }),
    ...(error === undefined
      ? {}
      : {
          error: {
            code: error.code,
            message: cut(error.message, LIMITS.messageCharsMax),
            objects: error.objects
              ?.slice(0, ERROR_OBJECTS_MAX)
              .map((one) => ({ object: cut(one.object, 700), code: one.code, message: cut(one.message, 512) })),
          },
        }),
  }
  const parsed = recordFactsSchema.safeParse(plain(bounded))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new WaybillError('INTERNAL', `not the facts of a record: ${issue?.path.join('.')}: ${issue?.message}`)
}

function boundListed(listed: readonly Change[]): { readonly listed: readonly Change[] } {
  return { listed: changeList(listed).listed }
}

function boundChange(change: Change): Change {
  const { action, object, fields, manager, since, operation, user, breakGlass, values } = change
  return {
    action,
    object: object.slice(0, 700),
    ...(fields === undefined ? {} : { fields: fields.slice(0, FIELDS_MAX).map((field) => field.slice(0, 512)) }),
    ...(manager === undefined ? {} : { manager: manager.slice(0, 256) }),
    ...(since === undefined ? {} : { since: since.slice(0, 64) }),
    ...(operation === undefined ? {} : { operation: operation.slice(0, 16) }),
    ...(user === undefined ? {} : { user: user.slice(0, 256) }),
    ...(breakGlass === undefined ? {} : { breakGlass: breakGlass.slice(0, 256) }),
    ...(values === undefined ? {} : { values: values.slice(0, VALUES_MAX).map(boundValue) }),
  }
}

const VALUES_MAX = 20

function boundValue({ field, declared, found }: NonNullable<Change['values']>[number]) {
  return {
    field: field.slice(0, 512),
    ...(declared === undefined ? {} : { declared: declared.slice(0, 256) }),
    ...(found === undefined ? {} : { found: found.slice(0, 256) }),
  }
}

function cut(text: string | undefined, charsMax: number): string | undefined {
  if (text === undefined || text.length <= charsMax) return text
  return `${text.slice(0, charsMax - 1)}…`
}

/** The value as JSON gives it back: no undefined, every string well-formed. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
    typeof member === 'string' ? member.toWellFormed() : member,
  )
}
