import { isDeepStrictEqual } from 'node:util'
import { conditionEvent, type EventFacts, type EventSubject, recordEvents, waitingEvent } from '../events/events.ts'
import { createEventPoster } from '../events/poster.ts'
import type { Delivery, DeliveryStatus } from '../kinds.ts'
import { createSender, type SenderOptions } from '../notify/http.ts'
import { createNotifier } from '../notify/notifier.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import type { Site } from '../site.ts'

/** Whom a look tells what it came to, besides the status: Events, notifications, metrics. Nothing of it is read back, and nothing waits for it. */
export interface Outside {
  /** Before a look writes records: notifications that are new begin here. @throws WaybillError CLUSTER_* */
  begin(delivery: Delivery, summary: LedgerSummary): Promise<void>
  /** The status now says `next`. */
  said(subject: EventSubject, before: DeliveryStatus, next: DeliveryStatus): void
  /** Something may have been recorded. */
  looked(subject: EventSubject, summary: LedgerSummary): void
  gone(id: string): void
  /** Ends; what waits may still go out, for `graceMs`. */
  end(graceMs: number): Promise<void>
}

/** Up to which record a Delivery's Events were posted, and its records counted. */
type Told = { readonly uid: string; readonly events: number; readonly counted: number }

/** What was recorded shortly before a start, and not said in the status yet, is told: under the same names, should it have been told. */
const RECENT_MS = 600_000
/** Conditions that came and went within this time are one series. */
const SERIES_MS = 3_600_000
const SERIES_MAX = 1_000

export function createOutside(
  parts: Pick<Site, 'cluster' | 'clock' | 'log' | 'observe'>,
  sending: SenderOptions,
): Outside {
  const { clock, observe } = parts
  const events = createEventPoster(parts)
  const notifier = createNotifier({ ...parts, sender: createSender(sending) })
  const known = new Map<string, Told>()
  const series = new Map<string, EventFacts>()
  const shown = new Set<string>()

  const toldOf = ({ uid, namespace, name }: EventSubject, { records, head }: LedgerSummary, said = 0): Told => {
    const before = known.get(`${namespace}/${name}`)
    if (before?.uid === uid) return before
    const recent = clock.nowMs() - RECENT_MS
    const old = records.findLast(({ startedAt }) => Date.parse(startedAt) < recent)
    // What is there before the first look of this process was counted by another.
    return { uid, events: Math.max(old?.sequence ?? 0, said), counted: head?.sequence ?? 0 }
  }
  const inSeries = (subject: EventSubject, facts: EventFacts): EventFacts => {
    const key = [subject.uid, facts.reason, facts.message].join('\n')
    const before = series.get(key)
    series.delete(key)
    const goesOn = before !== undefined && Date.parse(facts.lastAt) - Date.parse(before.lastAt) < SERIES_MS
    const next = goesOn ? { ...before, count: before.count + 1, lastAt: facts.lastAt } : facts
    series.set(key, next)
    const [oldest] = series.keys()
    if (series.size > SERIES_MAX && oldest !== undefined) series.delete(oldest)
    return next
  }
  return {
    begin: async (delivery, summary) => {
      known.set(
        `${delivery.namespace}/${delivery.name}`,
        toldOf(delivery, summary, delivery.status.lastRecord?.sequence),
      )
      await notifier.begin(delivery, summary.head?.sequence ?? 0)
    },
    said: (subject, before, next) => {
      const id = `${subject.namespace}/${subject.name}`
      const isSame = isDeepStrictEqual(before, next)
      if (isSame && shown.has(id)) return
      shown.add(id)
      observe?.({ kind: 'delivery', id, status: next })
      const facts = conditionEvent(subject, before, next)
      if (facts !== undefined) events.post(subject, inSeries(subject, facts))
      const waits = waitingEvent(subject, before, next)
      if (waits !== undefined) events.post(subject, waits)
    },
    looked: (subject, summary) => {
      const { events: after, counted } = toldOf(subject, summary)
      notifier.offer(subject, summary.records)
      if ((summary.head?.sequence ?? 0) <= Math.min(after, counted)) return
      for (const facts of recordEvents(subject, summary.records, after)) events.post(subject, facts)
      for (const record of summary.records) if (record.sequence > counted) observe?.({ kind: 'record', record })
      const sequence = summary.head?.sequence ?? 0
      known.set(`${subject.namespace}/${subject.name}`, { uid: subject.uid, events: sequence, counted: sequence })
    },
    gone: (id) => {
      known.delete(id)
      shown.delete(id)
      notifier.gone(id)
      observe?.({ kind: 'delivery-gone', id })
    },
    end: async (graceMs) => {
      const late = new AbortController()
      const idle = Promise.all([events.idle(), notifier.idle()])
      if (graceMs > 0) await Promise.race([idle, clock.sleep(graceMs, late.signal)])
      late.abort()
      await Promise.all([events.end(), notifier.end()])
    },
  }
}
