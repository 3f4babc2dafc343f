import { ANNOTATION, type Delivery, type RecordFacts, type RecordSpec } from '../kinds.ts'
import type { RecordsSummary } from '../records/ledger-summary.ts'
import { environmentOf, type Resolved } from '../source/resolve.ts'
import { windowStateAt } from './windows.ts'

/** Everything here is pure: what the operators of a Delivery allow now. */

/** What the spec says of the moment, its end times counted. */
export type Control<D = Delivery> = {
  /** Hands off. */
  readonly suspended?: { readonly untilMs?: number; readonly reason?: string }
  /** Fields of the spec whose end has come: they count no more. */
  readonly expired: readonly ('hold' | 'suspend')[]
  /** The Delivery as it is to be taken: without what expired. */
  readonly delivery: D
}

export function controlOf<D extends Pick<Delivery, 'spec'>>(delivery: D, nowMs: number): Control<D> {
  const { hold, suspend, ...spec } = delivery.spec
  const isOver = (until: string | undefined) => until !== undefined && Date.parse(until) <= nowMs
  const expired = [
    ...(isOver(hold?.until) ? (['hold'] as const) : []),
    ...(isOver(suspend?.until) ? (['suspend'] as const) : []),
  ]
  const held = hold === undefined || expired.includes('hold') ? {} : { hold }
  const off = suspend === undefined || expired.includes('suspend') ? undefined : suspend
  return {
    expired,
    delivery: { ...delivery, spec: { ...spec, ...held, ...(off === undefined ? {} : { suspend: off }) } },
    ...(off === undefined
      ? {}
      : {
          suspended: {
            ...(off.until === undefined ? {} : { untilMs: Date.parse(off.until) }),
            ...(off.reason === undefined ? {} : { reason: off.reason }),
          },
        }),
  }
}

/**
 * What goes on record of a suspension before anything else is done: that it began, that it changed, that it is over. `generation` and who
 * edited are the Delivery's.
 */
export function suspensionFacts(
  delivery: Delivery,
  control: Control,
  summary: Pick<Summary, 'records'>,
  at: string,
): RecordFacts | undefined {
  const last = summary.records.findLast(
    ({ kind, digest }) => kind === 'Suspended' || (kind === 'Resumed' && digest === undefined),
  )
  const { generation, specEditedBy } = delivery
  const by = specEditedBy === undefined ? {} : { by: specEditedBy.manager }
  const times = { startedAt: at, finishedAt: at }
  const { suspend } = delivery.spec
  if (control.suspended !== undefined) {
    const reason = suspensionText(suspend)
    if (last?.kind === 'Suspended' && last.trigger.reason === reason) return undefined
    return { kind: 'Suspended', trigger: { type: 'spec', generation, ...by, ...optional(reason) }, ...times }
  }
  if (last?.kind !== 'Suspended') return undefined
  const isExpiry = control.expired.includes('suspend')
  const trigger: RecordFacts['trigger'] = isExpiry
    ? { type: 'expiry', generation, reason: `the suspension ended at ${suspend?.until}` }
    : { type: 'spec', generation, ...liftOf(delivery, last.startedAt) }
  return { kind: 'Resumed', trigger, ...times }
}

/** Who lifted what was there since then, and why, as far as he said so or the API server shows it. */
export function liftOf(
  { annotations, liftedBy, specEditedBy }: Delivery,
  since: string,
): { readonly by?: string; readonly reason?: string } {
  if (liftedBy?.at !== undefined && liftedBy.at >= since) {
    const [, reason] = /^\S+ (.+)$/.exec(annotations[ANNOTATION.lifted] ?? '') ?? []
    return { by: liftedBy.manager, ...optional(reason?.slice(0, 1024)) }
  }
  return specEditedBy?.at !== undefined && specEditedBy.at > since ? { by: specEditedBy.manager } : {}
}

function optional(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason }
}

function suspensionText(suspend: Delivery['spec']['suspend']): string | undefined {
  const { until, reason } = suspend ?? {}
  const parts = [...(until === undefined ? [] : [`until ${until}`]), ...(reason === undefined ? [] : [reason])]
  return parts.length === 0 ? undefined : parts.join(': ').slice(0, 1024)
}

type Summary = RecordsSummary & { readonly records: readonly RecordSpec[] }

/** That a hold which the records know of ended by itself; undefined where it is on record already, or never was held. */
export function holdEndFacts(delivery: Delivery, summary: Summary, at: string): RecordFacts | undefined {
  const { hold } = delivery.spec
  const newest = holding(summary.records)
  if (hold === undefined || !isHold(newest) || newest.digest !== hold.digest) return undefined
  const why = hold.reason === undefined ? '' : `: ${hold.reason}`
  const reason = `the hold ended at ${hold.until}${why}`.slice(0, 1024)
  const { generation } = delivery
  const times = { startedAt: at, finishedAt: at }
  return { kind: 'Resumed', digest: hold.digest, trigger: { type: 'expiry', generation, reason }, ...times }
}

/** A person held it, or `onFailure: rollback` did. */
export function isHold(record: RecordSpec | undefined): record is RecordSpec {
  return record?.trigger.type === 'hold' || record?.trigger.type === 'failure'
}

const CHOOSING: ReadonlySet<string> = new Set(['hold', 'failure', 'unhold', 'spec', 'source', 'expiry'])

/** The newest record that tells who chose the digest, or that a hold on it ended by itself. */
export function holding(records: readonly RecordSpec[]): RecordSpec | undefined {
  return records.findLast(({ kind, trigger, digest }) =>
    kind === 'Suspended' || kind === 'Approved' || (kind === 'Resumed' && digest === undefined)
      ? false
      : CHOOSING.has(trigger.type),
  )
}

/**
 * Another release, or another environment of one, than what was last written here. Only that waits for windows and approval: what a person
 * holds is let through, as is every edit that leaves both as they are.
 */
export function isMove(summary: Summary, delivery: Delivery, resolved: Pick<Resolved, 'via' | 'digest'>): boolean {
  return resolved.via !== 'hold' && isOther(summary, delivery, resolved)
}

/** Another release, or another environment of one, than what was last written here. */
export function isOther(summary: Summary, delivery: Delivery, resolved: Pick<Resolved, 'digest'>): boolean {
  if (resolved.digest !== summary.current) return true
  const { records, applied } = summary
  // Behind a Checkpoint, what was applied last is all that is still known.
  const chosen = records.findLast(({ kind, digest }) => digest === resolved.digest && WRITTEN.has(kind)) ?? applied
  return chosen?.environment !== undefined && chosen.environment !== environmentOf(delivery.spec)
}

const WRITTEN: ReadonlySet<string> = new Set(['Intent', 'Applied', 'Unchanged', 'RolledBack'])

/** Why a new release waits for a window, and when to look again; undefined: none keeps it back. */
export function windowWait(
  { spec }: Pick<Delivery, 'spec'>,
  nowMs: number,
): { readonly until: string; readonly lookAtMs?: number } | undefined {
  if (spec.windows === undefined || spec.windows.length === 0) return undefined
  const { open, changesAtMs, lookAtMs } = windowStateAt(spec.windows, nowMs)
  if (open) return undefined
  const until = changesAtMs === undefined ? 'none that opens was found' : `the next opens at ${second(changesAtMs)}`
  return { until, ...(lookAtMs === undefined ? {} : { lookAtMs }) }
}

function second(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
