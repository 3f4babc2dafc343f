import { shortDigest } from '../../contract/digest.ts'
import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import { driftChanges } from '../drift/left-drift.ts'
import { changesSaid } from '../events/say.ts'
import type { RecordSpec } from '../kinds.ts'
import { boundedMessage, type Said } from '../message.ts'
import { isDistrust, isOrder } from '../reconcile/keep.ts'
import type { Ending } from '../reconcile/reconcile.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import type { Finding, Verdict } from './status.ts'

/** Pure: what an ending says of trust, health and drift, each by itself; what it does not speak of stays as it was said before. */
export function verdictsOf(ending: Ending, summary: LedgerSummary): Pick<Finding, 'verified' | 'healthy' | 'drifted'> {
  return { ...verifiedSays(ending), ...healthySays(ending, summary), ...driftedSays(ending) }
}

/** `Verified` is about the digest that is asked for; a refusal by the plan or the cluster takes nothing from it. */
function verifiedSays({ refusal, resolved, result, kept }: Ending): Pick<Finding, 'verified'> {
  const keptSaid = kept && result?.kind === 'refused' && isDistrust(result.said.code) ? result.said : undefined
  const said = [refusal, keptSaid].find((one) => one !== undefined && (isOutage(one.code) || isUnverified(one.code)))
  if (said !== undefined) return { verified: adviceOf(isOutage(said.code) ? 'Unknown' : 'False', said) }
  if (resolved === undefined) return {}
  const name = resolved.channel ?? resolved.release?.version ?? resolved.via
  return { verified: { status: 'True', reason: 'Verified', message: `${name}: ${shortDigest(resolved.digest)}` } }
}

const UNREADABLE: ReadonlySet<ErrorCode> = new Set([
  'ARTIFACT_INVALID',
  'LAYER_INVALID',
  'OBJECT_INVALID',
  'LIMIT_EXCEEDED',
  'VERSION_UNMATCHED',
])

/** What the source named is not what was asked for, or nobody who is trusted vouches for it. */
function isUnverified(code: ErrorCode): boolean {
  return isDistrust(code) || isOrder(code) || UNREADABLE.has(code)
}

/** `Healthy` is about what was applied last, whether or not that is what is asked for. */
function healthySays({ result }: Ending, summary: LedgerSummary): Pick<Finding, 'healthy'> {
  if (result?.kind === 'healthy') return { healthy: { status: 'True', reason: 'Healthy', message: whatRuns(summary) } }
  if (result?.kind !== 'failed') return {}
  return { healthy: adviceOf(result.said.code.startsWith('HEALTH_') ? 'False' : 'Unknown', result.said) }
}

/** `Drifted` is True while a difference is left as it is; what was put back is told, and is no drift any more. */
function driftedSays({ result, differs, contested = [] }: Ending): Pick<Finding, 'drifted'> {
  if (contested.length > 0) {
    const listed = contested.slice(0, 5).map(({ object, manager = 'somebody' }) => `${object} by ${manager}`)
    const more = contested.length > 5 ? `, and ${contested.length - 5} more` : ''
    const message = `taken again each time it is put back, and left alone for a while: ${listed.join(', ')}${more}. ${ERRORS.DRIFT_CONTESTED.hint}`
    return { drifted: { status: 'True', reason: 'Contested', message: boundedMessage(message) } }
  }
  if (differs !== undefined) {
    const message = boundedMessage(`left as it is: ${changesSaid(driftChanges(differs))}`)
    return { drifted: { status: 'True', reason: 'Observed', message } }
  }
  const left = result?.kind === 'healthy' || result?.kind === 'failed' ? (result.left ?? []) : []
  if (left.length > 0) {
    const reason = left.some(({ breakGlass }) => breakGlass !== undefined) ? 'BreakGlass' : 'Reported'
    return { drifted: { status: 'True', reason, message: boundedMessage(`left as it is: ${changesSaid(left)}`) } }
  }
  if (result?.kind !== 'healthy') return {}
  const { corrected } = result
  if (corrected === undefined)
    return { drifted: { status: 'False', reason: 'InSync', message: 'the cluster is as it was applied' } }
  const message = `put back: ${changesSaid(corrected.changes)}`
  return { drifted: { status: 'False', reason: 'Corrected', message: boundedMessage(message) } }
}

/**
 * Whether a release that failed is tried again by itself, or stands still: what comes after it is kept back, or a Job of it failed, which
 * runs again for nobody's waiting.
 */
export function failedSays(
  { said, held }: Extract<Ending['result'], { readonly kind: 'failed' }>,
  { lastOutcome: last }: LedgerSummary,
): Pick<Finding, 'ready' | 'stalled' | 'reconciling'> {
  const { code, message } = said
  const isRecorded = last?.kind === 'Failed' && last.error?.code === code
  // Where the cluster is at fault as well, that is tried again.
  const hasFailedJob =
    isRecorded &&
    code === 'HEALTH_FAILED' &&
    (last.error?.objects ?? []).some((one) => one.code === 'HEALTH_FAILED' && JOB.test(one.object))
  if (held !== true && !hasFailedJob)
    return { ready: { status: 'False', reason: code, message }, reconciling: { reason: 'Retrying', message } }
  const what = isRecorded && last.digest !== undefined ? `${nameOf(last.version, last.digest)} failed: ` : ''
  return {
    ready: { status: 'False', reason: code, message: boundedMessage(`${what}${message}`) },
    stalled: { reason: code, message: `${ERRORS[code].hint} ${hasFailedJob ? RUN_AGAIN : TRY_AGAIN}` },
  }
}

/** As a record names an object. */
const JOB = /^Job\.batch /
const RUN_AGAIN = 'An edit of the Delivery tries this one once more.'
const TRY_AGAIN =
  'An edit of the Delivery, or a new value of its annotation waybill.dev/reconcile, tries this one once more.'

function adviceOf(status: Verdict['status'], { code, message }: Said): Verdict {
  return { status, reason: code, message: `${message.replace(/[.;]?$/, '.')} ${ERRORS[code].hint}` }
}

/** The source did not answer, as opposed to: it answered, and what it said is refused. */
export function isOutage(code: ErrorCode): boolean {
  return code.startsWith('REGISTRY_') || code === 'DIGEST_MISMATCH'
}

/** The release that was last applied and healthy, in a sentence. */
export function whatRuns({ applied }: LedgerSummary): string {
  if (applied?.digest === undefined) return 'nothing was applied yet'
  return `${nameOf(applied.version, applied.digest)} is applied and healthy${becauseOf(applied)}`
}

/** `1.4.2, sha256:1a2b3c4d5e6f` */
function nameOf(version: string | undefined, digest: string): string {
  return `${version === undefined ? '' : `${version}, `}${shortDigest(digest)}`
}

/** What `onFailure: rollback` left for a person to read. */
function becauseOf({ trigger: { type, reason } }: RecordSpec): string {
  return type === 'failure' && reason !== undefined ? `; on hold: ${reason}` : ''
}
