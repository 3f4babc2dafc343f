import { createHash, createHmac } from 'node:crypto'
import { recordSaid } from '../events/say.ts'
import { API_VERSION, type Change, type Delivery, type RecordKind, type RecordSpec } from '../kinds.ts'
import { recordHash, recordName } from '../records/chain.ts'
import { readCheckpoint } from '../records/checkpoint.ts'

/** Pure: what is sent of records. Names, digests, field paths, codes; never a value of a field. */

export type Notification = NonNullable<Delivery['spec']['notifications']>[number]

/** One thing to deliver; once it is, everything up to `sequence` is. */
export type Message = {
  /** The same however often it is sent: record name and notification name. */
  readonly id: string
  readonly sequence: number
  readonly text: string
  readonly event: Readonly<Record<string, unknown>>
}

const QUIET: ReadonlySet<RecordKind> = new Set(['Intent', 'Unchanged', 'Checkpoint'])
const CHANGES_MAX = 50

/**
 * What of the records is to be delivered after `cursor`, in order. Where records went behind a Checkpoint before they were, the first message
 * says how many at most.
 */
export function messagesAfter(
  cursor: number,
  { name, kinds }: Pick<Notification, 'name' | 'kinds'>,
  records: readonly RecordSpec[],
): readonly Message[] {
  const wanted = ({ kind }: RecordSpec) => (kinds === undefined ? !QUIET.has(kind) : kinds.includes(kind))
  const sent = records.filter((record) => record.sequence > cursor && wanted(record))
  const lost = lostMessage(cursor, name, records)
  return [...(lost === undefined ? [] : [lost]), ...sent.map((record) => messageOf(record, name))]
}

function lostMessage(cursor: number, notification: string, records: readonly RecordSpec[]): Message | undefined {
  const checkpoint = records.findLast((record) => (readCheckpoint(record)?.through ?? 0) > cursor)
  const through = checkpoint === undefined ? 0 : (readCheckpoint(checkpoint)?.through ?? 0)
  if (checkpoint === undefined || through <= cursor) return undefined
  const count = through - cursor
  const what = `up to ${count} records were dropped before they could be delivered, through record ${through}`
  return {
    id: `${recordName(checkpoint.delivery, through)}/${notification}/dropped`,
    sequence: through,
    text: `${whose(checkpoint)}: ${what}`,
    event: {
      ...envelope(checkpoint, 'dropped', checkpoint.startedAt),
      id: `${recordName(checkpoint.delivery, through)}/${notification}/dropped`,
      data: { message: what, records: count, through },
    },
  }
}

function messageOf(record: RecordSpec, notification: string): Message {
  const id = `${recordName(record.delivery, record.sequence)}/${notification}`
  const text = recordSaid(record)
  return {
    id,
    sequence: record.sequence,
    text: `${whose(record)}: ${text}`,
    event: { ...envelope(record, record.kind, record.finishedAt ?? record.startedAt), id, data: dataOf(record, text) },
  }
}

function whose({ delivery }: RecordSpec): string {
  return `${delivery.namespace}/${delivery.name}`
}

/** CloudEvents 1.0. */
function envelope(record: RecordSpec, kind: string, time: string): Record<string, unknown> {
  const { namespace, name } = record.delivery
  return {
    specversion: '1.0',
    type: `dev.waybill.record.${kind.toLowerCase()}`,
    source: `/apis/${API_VERSION}/namespaces/${namespace}/deliveries/${name}`,
    subject: `${namespace}/${name}`,
    time,
    datacontenttype: 'application/json',
  }
}

function dataOf(record: RecordSpec, message: string): Record<string, unknown> {
  const { kind, sequence, digest, version, revision, environment, source, trigger, error, changes, delivery, key } =
    record
  return {
    message,
    record: { name: recordName(delivery, sequence), sequence, hash: recordHash(record), key },
    delivery: { namespace: delivery.namespace, name: delivery.name, uid: delivery.uid },
    kind,
    digest,
    version,
    revision,
    environment,
    source,
    trigger,
    error,
    ...(changes === undefined
      ? {}
      : { changes: { total: changes.total, listed: changes.listed.slice(0, CHANGES_MAX).map(withoutValues) } }),
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
  }
}

function withoutValues({ values: _, ...change }: Change): Omit<Change, 'values'> {
  return change
}

/** What is sent over the wire for a message. `key`: what the Secret holds; Standard Webhooks 1.0 signatures, HMAC-SHA256. */
export function requestOf(
  type: Notification['type'],
  message: Message,
  { key, nowMs }: { readonly key: Uint8Array | undefined; readonly nowMs: number },
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  if (type === 'slack')
    return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: slackText(message.text) }) }
  const body = JSON.stringify(message.event)
  const timestamp = String(Math.floor(nowMs / 1000))
  // Names may hold full stops, which delimit what is signed.
  const id = `msg_${createHash('sha256').update(message.id).digest('hex').slice(0, 32)}`
  const signature =
    key === undefined
      ? {}
      : { 'webhook-signature': `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}` }
  return {
    headers: {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      ...signature,
    },
    body,
  }
}

/** Slack's three control characters; nothing in a record can make a link or mention anybody. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
