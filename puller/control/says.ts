import { shortDigest } from '../../contract/digest.ts'
import type { NextRun } from '../loop/queue.ts'
import type { Ending } from '../reconcile/reconcile.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import type { Finding } from '../say/status.ts'

/** Everything here is pure: what the status says of a Delivery that waits for a person or a time, and when that is looked at again. */

type Waited = Ending & { readonly waiting: NonNullable<Ending['waiting']> }

/** Ready is Unknown while something waits; what is wrong with what runs meanwhile is said first. */
export function waitingSays(
  { waiting, result, kept }: Waited,
  summary: LedgerSummary,
): Pick<Finding, 'ready' | 'reconciling' | 'stalled'> {
  const { reason, message, forever } = waiting
  if (result?.kind === 'failed' || result?.kind === 'refused') {
    const told = `${result.said.message}; ${message}`
    return {
      ready: { status: 'False', reason: result.said.code, message: told },
      reconciling: { reason: 'Retrying', message: told },
    }
  }
  const runs =
    kept && result?.kind === 'healthy' && summary.current !== undefined
      ? `; ${shortDigest(summary.current)} runs on`
      : ''
  const ready = { status: 'Unknown', reason, message: `${message}${runs}` } as const
  if (forever)
    return { ready, stalled: { reason, message: 'Take one of them out of the dependsOn of the one before.' } }
  return reason === 'Observed' ? { ready } : { ready, reconciling: { reason, message: ready.message } }
}

/** The plan that waits, or that `observe` shows. What nobody could ask about stays as it was said. */
export function planSays({ waiting, resolved, result }: Ending): Pick<Finding, 'plan'> {
  if (waiting?.shown !== undefined) return { plan: waiting.shown }
  return resolved === undefined || result?.kind === 'interrupted' ? {} : { plan: null }
}

/** What the status says of a Delivery that is left alone. Nobody plans: what was to be done before is no plan any more, carried out in part or not. */
export function suspendedSays(generation: number, message: string): Finding {
  return { generation, ready: { status: 'Unknown', reason: 'Suspended', message }, plan: null }
}

/** The same, but at the latest at one of these times, each in milliseconds since 1970 or undefined. */
export function soonerAt(next: NextRun, times: readonly (number | undefined)[], nowMs: number): NextRun {
  const ms = Math.min(...times.flatMap((time) => (time === undefined ? [] : [Math.max(0, time - nowMs)])))
  if (ms === Number.POSITIVE_INFINITY) return next
  if (next.kind === 'never') return { kind: 'at', ms }
  if (next.kind === 'backoff') return next.isAnswer ? { ...next, maxMs: Math.min(next.maxMs ?? ms, ms) } : next
  return ms < next.ms * SOONEST ? { kind: 'at', ms } : next
}

/** `after` may be a tenth later than it says. */
const SOONEST = 1.1
