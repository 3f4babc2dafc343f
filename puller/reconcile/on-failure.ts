import { shortDigest } from '../../contract/digest.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerError } from '../cluster/answer-error.ts'
import { editDeliveryObject } from '../control/edit-spec.ts'
import { FAILURE_MANAGER, type RecordSpec } from '../kinds.ts'
import type { Said } from '../message.ts'
import { deliveryPath, parseDelivery } from '../observe.ts'
import type { Plan } from '../plan/plan.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import { environmentOf, sourceOf } from '../source/resolve.ts'
import type { Job } from './job.ts'

const VERDICTS: ReadonlySet<ErrorCode | undefined> = new Set(['HEALTH_FAILED', 'HEALTH_TIMEOUT'])

/** True for what says that a release is bad, and not that the cluster could not be asked. */
export function isVerdict({ code }: Pick<Said, 'code'>): boolean {
  return VERDICTS.has(code)
}

/** What `onFailure: hold` keeps back of a release that failed under this Intent. */
export type HeldBack = { readonly lastGroup: number; readonly error: NonNullable<RecordSpec['error']> }

/**
 * Undefined: everything may be written. Otherwise the group that did not become healthy is the last that is kept in shape; what comes after it
 * waits for a newer release, an edit of the Delivery, or a person who asks for another try. Pure.
 */
export function heldBack(
  { role, delivery }: Pick<Job, 'role' | 'delivery'>,
  summary: Pick<LedgerSummary, 'openIntent' | 'lastOutcome'>,
  intent: RecordSpec,
  plan: Pick<Plan, 'groups' | 'deletes'>,
): HeldBack | undefined {
  const { openIntent, lastOutcome: last } = summary
  if (role !== 'asked' || delivery.spec.onFailure === 'continue' || openIntent !== undefined) return undefined
  if (last?.kind !== 'Failed' || last.intent !== intent.sequence || last.error === undefined || !isVerdict(last.error))
    return undefined
  const faulty = new Set(last.error.objects?.map(({ object }) => object))
  const at = plan.groups.findLastIndex(({ members }) => members.some(({ name }) => faulty.has(name)))
  const isMore = plan.deletes.length > 0 || plan.groups.slice(at + 1).some(({ changes }) => changes.length > 0)
  return at >= 0 && isMore ? { lastGroup: at, error: last.error } : undefined
}

const REASON_CHARS_MAX = 1024

type Failing = Pick<Job, 'delivery' | 'role'> & {
  readonly site: Pick<Job['site'], 'cluster'>
  readonly ledger: { readonly summary: Pick<LedgerSummary, 'applied' | 'lastOutcome'> }
  readonly fetched: { readonly verified: Pick<Job['fetched']['verified'], 'digest'> }
}

/** Of another package, or another environment, than what the Delivery asks for by now: nothing to go back to. */
function isOfAnother({ spec }: Job['delivery'], { source, environment }: RecordSpec): boolean {
  const canonical = source?.mirrorOf ?? source?.repository
  return (
    (canonical !== undefined && canonical !== sourceOf(spec).canonical) ||
    (environment !== undefined && environment !== environmentOf(spec))
  )
}

/**
 * Goes back to the release that was healthy last, as `onFailure: rollback` wants it: sets a hold that says why. False where there is none, where
 * this one is it, or where somebody edited the Delivery meanwhile.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function stepBack({ site, delivery, ledger, fetched, role }: Failing, said: Said): Promise<boolean> {
  const { digest } = fetched.verified
  const { applied } = ledger.summary
  const back = applied === undefined || isOfAnother(delivery, applied) ? undefined : applied.digest
  const { onFailure, hold } = delivery.spec
  if (role !== 'asked' || onFailure !== 'rollback' || hold !== undefined || back === undefined || back === digest)
    return false
  const path = deliveryPath(delivery.namespace, delivery.name)
  const answer = await site.cluster.request('puller', { method: 'GET', path })
  if (answer.status === 404) return false
  if (answer.status !== 200) throw answerError(`Delivery ${delivery.namespace}/${delivery.name}`, answer)
  const now = parseDelivery(answer.body)
  if (now.uid !== delivery.uid || now.generation !== delivery.generation) return false
  const version = ledger.summary.lastOutcome?.version
  const what = `${version === undefined ? '' : `${version}, `}${shortDigest(digest)}`
  const reason = `${what} failed, and onFailure is rollback: ${said.code}: ${said.message}`.slice(0, REASON_CHARS_MAX)
  try {
    await editDeliveryObject(site.cluster, now, FAILURE_MANAGER, { spec: { hold: { digest: back, reason } } })
    return true
  } catch (error) {
    if (hasCode(error, 'CLUSTER_CONFLICT', 'CLUSTER_NOT_FOUND')) return false
    throw error
  }
}
