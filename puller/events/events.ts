import { createHash } from 'node:crypto'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { type ErrorCode, isErrorCode, WaybillError } from '../../contract/errors.ts'
import { API_VERSION, type Condition, type DeliveryStatus, type RecordKind, type RecordSpec } from '../kinds.ts'
import { boundedMessage } from '../message.ts'
import { recordSaid } from './say.ts'

/** Pure: which Kubernetes Events records and conditions lead to. The same facts lead to the same names, whoever works them out, and however often. */

export type EventFacts = {
  /** Of the Event object; stands for the first of a series. */
  readonly name: string
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  /** How often it happened by then, this time included. */
  readonly count: number
  readonly firstAt: string
  readonly lastAt: string
}

export type EventSubject = { readonly namespace: string; readonly name: string; readonly uid: string }

/** As long as the API server keeps Events, where nobody says otherwise: what comes later begins a series anew. */
const SERIES_MS = 3_600_000
/** Records that may belong to one series. */
const RECORDS_MAX = 200
const MESSAGE_CHARS_MAX = 1_000

const SILENT: ReadonlySet<RecordKind> = new Set(['Intent', 'Checkpoint'])
const WARNINGS: ReadonlySet<RecordKind> = new Set(['Refused', 'Failed', 'TrustChanged', 'DriftDetected'])

/** One for each record after `after`, in order of sequence; those that say the same within an hour are one series, and count. */
export function recordEvents(
  subject: EventSubject,
  records: readonly RecordSpec[],
  after: number,
): readonly EventFacts[] {
  const series = new Map<string, EventFacts>()
  return records.slice(-RECORDS_MAX).flatMap((record) => {
    // Superseded: what took its place is told.
    if (SILENT.has(record.kind) || record.error?.code === 'SUPERSEDED') return []
    const message = boundedMessage(recordSaid(record), MESSAGE_CHARS_MAX)
    const key = `${record.kind}\n${message}`
    const at = record.finishedAt ?? record.startedAt
    const before = series.get(key)
    const goesOn = before !== undefined && Date.parse(at) - Date.parse(before.lastAt) < SERIES_MS
    const facts: EventFacts = {
      ...(goesOn
        ? before
        : { name: eventName(subject, 'record', String(record.sequence)), reason: record.kind, message, firstAt: at }),
      type: WARNINGS.has(record.kind) ? 'Warning' : 'Normal',
      count: goesOn ? before.count + 1 : 1,
      lastAt: at,
    }
    series.set(key, facts)
    return record.sequence > after ? [facts] : []
  })
}

/** What no record tells: that source or cluster could not be asked, and that they can be again. */
export function conditionEvent(
  subject: EventSubject,
  before: DeliveryStatus,
  next: DeliveryStatus,
): EventFacts | undefined {
  for (const type of ['Verified', 'Ready']) {
    const [was, is] = [conditionOf(before, type), conditionOf(next, type)]
    if (is === undefined || (was?.status === is.status && was.reason === is.reason)) continue
    const at = is.lastTransitionTime
    const name = eventName(subject, type, `${is.reason} ${at}`)
    const once = { name, count: 1, firstAt: at, lastAt: at }
    if (isUnrecorded(is) && was?.reason !== is.reason)
      return { ...once, type: 'Warning', reason: is.reason, message: bounded(is.message) }
    if (is.status === 'True' && was !== undefined && isUnrecorded(was))
      return { ...once, type: 'Normal', reason: 'Recovered', message: bounded(`${was.reason} is over: ${is.message}`) }
  }
  return undefined
}

const WAITS: ReadonlySet<string> = new Set(['OutsideWindow', 'DependencyNotReady'])

/** That a release waits for a time or for others, which no record tells either: once for each plan, and for each reason. */
export function waitingEvent(
  subject: EventSubject,
  before: DeliveryStatus,
  next: DeliveryStatus,
): EventFacts | undefined {
  const [was, is] = [conditionOf(before, 'Ready'), conditionOf(next, 'Ready')]
  if (is === undefined || !WAITS.has(is.reason)) return undefined
  if (was?.reason === is.reason && before.plan?.plan === next.plan?.plan) return undefined
  const at = next.plan?.at ?? is.lastTransitionTime
  const name = eventName(subject, 'Ready', `${is.reason} ${next.plan?.plan ?? at}`)
  return { name, count: 1, firstAt: at, lastAt: at, type: 'Normal', reason: is.reason, message: bounded(is.message) }
}

function bounded(message: string): string {
  return boundedMessage(message, MESSAGE_CHARS_MAX)
}

function conditionOf(status: DeliveryStatus, type: string): Condition | undefined {
  return status.conditions?.find((one) => one.type === type)
}

/** Failures of a release are on record; refusals are too. */
const RECORDED: ReadonlySet<ErrorCode> = new Set(['APPLY_FAILED', 'HEALTH_FAILED', 'HEALTH_TIMEOUT', 'SUPERSEDED'])

function isUnrecorded({ status, reason }: Condition): boolean {
  if (status === 'True' || !isErrorCode(reason) || RECORDED.has(reason)) return false
  return new WaybillError(reason, '').exit !== 3
}

function eventName({ name, uid }: EventSubject, ...what: readonly string[]): string {
  const hash = createHash('sha256')
    .update([uid, ...what].join('\n'))
    .digest('hex')
  return `${name.slice(0, 230).replace(/[^a-z0-9]+$/, '')}.${hash.slice(0, 16)}`
}

/** core/v1: what `kubectl describe` and `kubectl events` show with its count. */
export function eventObject(subject: EventSubject, facts: EventFacts): JsonObject {
  const { namespace, name, uid } = subject
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: facts.name, namespace },
    involvedObject: { apiVersion: API_VERSION, kind: 'Delivery', namespace, name, uid },
    type: facts.type,
    reason: facts.reason,
    message: facts.message,
    count: facts.count,
    firstTimestamp: facts.firstAt,
    lastTimestamp: facts.lastAt,
    source: { component: 'waybill' },
    reportingComponent: 'waybill.dev/puller',
    reportingInstance: 'waybill',
  }
}
