import { shortDigest } from '../../contract/digest.ts'
import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import { durationMs } from '../clock.ts'
import { planSays, soonerAt, waitingSays } from '../control/says.ts'
import { driftChanges } from '../drift/left-drift.ts'
import type { Change, Delivery, DeliveryStatus, RecordSpec } from '../kinds.ts'
import type { NextRun } from '../loop/queue.ts'
import type { Said } from '../message.ts'
import type { Ending } from '../reconcile/reconcile.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import { nextTimeMs } from '../schedule.ts'
import { askedNow, scheduleOf } from '../source/due.ts'
import type { Finding } from './status.ts'
import { failedSays, isOutage, verdictsOf, whatRuns } from './verdicts.ts'

/** Pure: what the ending of a reconcile means for the status, and when to look again. */

const DRIFT_LISTED_MAX = 20
const DRIFT_VALUES_MAX = 5

/** What the status says of an ending. */
export function findingOf(delivery: Delivery, summary: LedgerSummary, ending: Ending): Finding {
  const { generation } = delivery
  return {
    generation,
    ...saysOf(ending, summary, generation),
    ...recordsOf(summary),
    ...verdictsOf(ending, summary),
    ...(ending.resolved === undefined
      ? {}
      : {
          resolved: {
            digest: ending.resolved.digest,
            ...(ending.resolved.channel === undefined ? {} : { channel: ending.resolved.channel }),
            ...(ending.resolved.release === undefined ? {} : { version: ending.resolved.release.version }),
            ...(ending.promotionSequence === undefined ? {} : { sequence: ending.promotionSequence }),
          },
        }),
    ...scheduleSays(delivery, ending),
    ...driftOf(ending),
    ...planSays(ending),
  }
}

function scheduleSays(delivery: Delivery, { askedAtMs }: Ending): Pick<Finding, 'schedule'> {
  const schedule = scheduleOf(delivery)
  if (schedule === undefined) return { schedule: null }
  return askedAtMs === undefined ? {} : { schedule: askedNow(delivery, schedule, askedAtMs) }
}

/** What the records say, for the status: it repeats them, and is never read back. */
export function recordsOf(summary: LedgerSummary): Pick<Finding, 'applied' | 'lastRecord'> {
  const { applied, appliedSince, head } = summary
  return {
    ...(applied?.digest === undefined
      ? {}
      : {
          applied: appliedOf(applied, applied.digest, appliedSince),
          runs: applied.version ?? shortDigest(applied.digest),
        }),
    ...(head === undefined ? {} : { lastRecord: { name: head.name, sequence: head.sequence, hash: head.hash } }),
  }
}

function appliedOf(
  record: RecordSpec,
  digest: NonNullable<RecordSpec['digest']>,
  since: string | undefined,
): DeliveryStatus['applied'] {
  const { version, revision, treeDigest } = record
  return {
    digest,
    ...(version === undefined ? {} : { version }),
    ...(revision === undefined ? {} : { revision }),
    ...(treeDigest === undefined ? {} : { treeDigest }),
    at: since ?? record.finishedAt ?? record.startedAt,
  }
}

function saysOf(
  ending: Ending,
  summary: LedgerSummary,
  generation: number,
): Pick<Finding, 'ready' | 'stalled' | 'reconciling'> {
  const { refusal, result, kept, waiting } = ending
  if (waiting !== undefined && result?.kind !== 'interrupted') return waitingSays({ ...ending, waiting }, summary)
  const keeping = keepingSays(summary, result, kept)
  if (refusal !== undefined && !(isOutage(refusal.code) && isWellKept(ending, summary, generation))) {
    const message = `${refusal.message}${keeping}`
    return {
      ready: { status: 'False', reason: refusal.code, message },
      ...stalledBy(refusal.code, message, stepsOf(summary, ending.confirm)),
    }
  }
  if (result?.kind === 'failed') return failedSays(result, summary)
  if (result?.kind === 'interrupted' || result === undefined)
    return {
      ready: { status: 'Unknown', reason: 'Progressing', message: 'looking again' },
      reconciling: { reason: 'Progressing', message: 'looking again' },
    }
  if (result.kind === 'waiting') return waitingSays({ ...ending, waiting: result }, summary)
  if (result.kind === 'refused')
    return {
      ready: { status: 'False', reason: result.said.code, message: result.said.message },
      ...stalledBy(result.said.code, result.said.message, stepsOf(summary, result.confirm)),
    }
  const trouble = refusal === undefined ? '' : `; the source could not be asked: ${refusal.message}`
  return {
    ready: {
      status: 'True',
      reason: readyReason(ending),
      message: `${whatRuns(summary)}${trouble}${unwatchedSays(ending)}`,
    },
  }
}

/** Drift of what no watch shows is seen at the interval. */
function unwatchedSays({ unwatched = [] }: Ending): string {
  if (unwatched.length === 0) return ''
  const more = unwatched.length > 3 ? `; and ${unwatched.length - 3} more` : ''
  return `; compared at the interval, because no watch shows it: ${unwatched.slice(0, 3).join('; ')}${more}`
}

function readyReason({ resolved }: Ending): string {
  return resolved?.via === 'hold' ? 'Held' : 'Applied'
}

function keepingSays(summary: LedgerSummary, result: Ending['result'], kept: boolean): string {
  if (!kept || summary.current === undefined || result === undefined) return ''
  const what = shortDigest(summary.current)
  if (result.kind === 'healthy') return `; ${what} runs on`
  if (result.kind === 'interrupted' || result.kind === 'waiting') return ''
  return `; ${what} is kept, but: ${result.said.code}: ${result.said.message}`
}

/** What the spec asks for, as far as is known, runs and is well: it was chosen under this generation of the spec. */
function isWellKept({ kept, result, resolved }: Ending, summary: LedgerSummary, generation: number): boolean {
  const chosen = summary.applied
  return (
    kept &&
    resolved === undefined &&
    result?.kind === 'healthy' &&
    chosen?.digest === summary.current &&
    chosen?.trigger.generation === generation
  )
}

/** What a person may have to name, to go on. */
type Steps = { readonly confirm?: string | undefined; readonly head?: string | undefined }

function stepsOf({ head }: Partial<LedgerSummary>, confirm: string | undefined): Steps {
  return { confirm, head: head?.hash }
}

/** Ready says what is wrong; Stalled, what a person can do about it. */
function stalledBy(code: ErrorCode, message: string, steps: Steps): Pick<Finding, 'stalled' | 'reconciling'> {
  const { retry, hint } = new WaybillError(code, '')
  if (retry === 'later') return { reconciling: { reason: 'Retrying', message } }
  const { confirm = '<confirmation>', head = '<status.lastRecord.hash>' } = steps
  const filled = hint.replaceAll('<confirmation>', confirm).replaceAll('<status.lastRecord.hash>', head)
  return { stalled: { reason: code, message: filled } }
}

function driftOf({ result, differs }: Ending): Pick<Finding, 'drift'> {
  const found = differs === undefined ? driftFound(result) : driftChanges(differs)
  if (found === undefined) return {}
  if (found.length === 0) return { drift: null }
  return { drift: { objects: found.length, listed: found.slice(0, DRIFT_LISTED_MAX).map(driftListed) } }
}

function driftFound(result: Ending['result']): readonly Change[] | undefined {
  if (result?.kind === 'failed') return result.left
  if (result?.kind !== 'healthy') return undefined
  const { corrected, left = [] } = result
  return left.length > 0 || corrected === undefined ? left : driftChanges(corrected)
}

function driftListed({ action, object, fields = [], manager, operation, since, user, breakGlass, values }: Change) {
  return {
    object,
    action,
    fields,
    ...(manager === undefined ? {} : { manager }),
    ...(operation === undefined ? {} : { operation }),
    ...(since === undefined ? {} : { since }),
    ...(user === undefined ? {} : { user }),
    ...(breakGlass === undefined ? {} : { breakGlass }),
    ...(values === undefined ? {} : { values: values.slice(0, DRIFT_VALUES_MAX) }),
  }
}

/** The finding of a reconcile that ended in an error. */
export function findingOfError(generation: number, said: Said, summary: LedgerSummary | undefined): Finding {
  return {
    generation,
    ready: { status: 'False', reason: said.code, message: said.message },
    ...stalledBy(said.code, said.message, stepsOf(summary ?? {}, undefined)),
    ...(summary === undefined ? {} : recordsOf(summary)),
  }
}

/** When to look again: at the interval or the next time of the schedule, or sooner after a failure; not before the registry wants to be asked again. */
export function nextRunOf(delivery: Delivery, ending: Ending, nowMs: number): NextRun {
  const { hold } = delivery.spec
  const ends = hold?.until === undefined ? undefined : Date.parse(hold.until)
  return soonerAt(nextBySource(delivery, ending, nowMs), [ending.waiting?.lookAtMs, ends], nowMs)
}

function nextBySource(delivery: Delivery, ending: Ending, nowMs: number): NextRun {
  const next = nextByInterval(delivery, ending)
  const schedule = scheduleOf(delivery)
  if (schedule === undefined) return next
  const nextMs = nextTimeMs(schedule, nowMs)
  if (next.kind === 'backoff') return soonerAt(next, [nextMs], nowMs)
  const untilMs = nextMs - nowMs
  const isSooner = next.kind === 'after' && untilMs < next.ms * SOONEST
  return isSooner && (ending.retryAfterMs ?? 0) <= untilMs ? { kind: 'at', ms: untilMs } : next
}

/** `after` may be a tenth sooner than it says. */
const SOONEST = 1.1

function nextByInterval(delivery: Delivery, { refusal, result, retryAfterMs = 0 }: Ending): NextRun {
  const intervalMs = durationMs(delivery.spec.interval)
  const every: NextRun = { kind: 'after', ms: Math.max(intervalMs, retryAfterMs) }
  if (result?.kind === 'interrupted') return { kind: 'after', ms: 0 }
  if (result?.kind === 'failed') return { kind: 'backoff', maxMs: intervalMs }
  const said = refusal ?? (result?.kind === 'refused' ? result.said : undefined)
  if (said === undefined) return every
  // No watch tells of what was in the way, such as rights.
  if (result?.kind === 'refused' || new WaybillError(said.code, '').retry !== 'later')
    return { kind: 'backoff', ms: retryAfterMs, maxMs: intervalMs, isAnswer: true }
  // What is kept is compared at the usual pace, however long the source is away.
  if (result !== undefined) return every
  return { kind: 'backoff', ms: retryAfterMs, maxMs: intervalMs }
}
