import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Digest, digestOf, isDigest } from '../../contract/digest.ts'
import { ANNOTATION, type Delivery, type DeliveryStatus, type RecordSpec } from '../kinds.ts'
import type { Plan } from '../plan/plan.ts'
import { changeList } from '../records/record.ts'

/** Everything here is pure: which plan a person is asked to approve, and whether he did. */

/** What a plan's digest covers beside the plan itself. */
export type PlannedFor = {
  readonly digest: Digest
  readonly environment: string
  /** Covers every object of the environment, byte for byte. */
  readonly treeDigest: string
  readonly records: readonly RecordSpec[]
  /** The newest Applied, Unchanged or RolledBack. */
  readonly applied?: RecordSpec | undefined
}

type Planned = Pick<Plan, 'changes' | 'failures'>

/**
 * Digest of what would be done: release, environment, every object's bytes, and for each object the action and the fields. It is the same
 * as long as that is; neither times, managers, uids nor resource versions are in it. It names the release that it starts from too, so that
 * an approval is used up by the release that it let through.
 */
export function planDigest(planned: PlannedFor, { changes, failures }: Planned): Digest {
  const { digest, environment, treeDigest } = planned
  return digestOf(
    canonicalJson({
      version: 1,
      digest,
      environment,
      treeDigest,
      after: chosenLast(planned),
      changes: changes.map(({ action, object, fields = [] }) => ({ action, object, fields: [...fields] })),
      unanswered: failures.map(({ object }) => object).sort(),
    }),
  )
}

/** The sequence of the newest record by which another release was chosen; drift that is put back chooses none. */
export function chosenLast({ records, applied }: Pick<PlannedFor, 'records' | 'applied'>): number {
  const chosen = records.findLast(({ kind, trigger }) => CHOSEN.has(kind) && trigger.type !== 'drift')
  return chosen?.sequence ?? applied?.sequence ?? 0
}

const CHOSEN: ReadonlySet<string> = new Set(['Intent', 'Applied', 'Unchanged', 'RolledBack'])

export type Approval =
  | { readonly kind: 'approved'; readonly by?: string }
  /** `stale`: the plan that was approved for this digest, where it is another one. */
  | { readonly kind: 'needed'; readonly stale?: Digest }

/** Whether the annotation approves exactly this digest and this plan. */
export function approvalOf(
  delivery: Pick<Delivery, 'annotations' | 'approvedBy'>,
  digest: Digest,
  plan: Digest,
): Approval {
  const [approved, approvedPlan, ...more] = (delivery.annotations[ANNOTATION.approve] ?? '').split(' ')
  if (approved !== digest || approvedPlan === undefined || !isDigest(approvedPlan) || more.length > 0)
    return { kind: 'needed' }
  if (approvedPlan !== plan) return { kind: 'needed', stale: approvedPlan }
  const by = delivery.approvedBy?.manager
  return { kind: 'approved', ...(by === undefined ? {} : { by }) }
}

/** So many plans of one release are told of while it waits; who approves one that goes stale is told in any case. */
const TOLD_MAX = 10

/**
 * What to record of a plan that waits, which nobody was told of yet: each plan of a release once, and each approval once that went stale.
 * Undefined: nothing.
 */
export function waitingNews(
  summary: Pick<PlannedFor, 'records' | 'applied'>,
  digest: Digest,
  plan: Digest,
  stale: Digest | undefined,
): string | undefined {
  const since = chosenLast(summary)
  const told = summary.records.flatMap(({ kind, digest: of, sequence, trigger }) =>
    kind === 'AwaitingApproval' && of === digest && sequence > since ? [trigger.reason ?? ''] : [],
  )
  const reason = `plan ${plan}`
  const wentStale = `; the plan that was approved, ${stale}, is no longer true`
  if (stale !== undefined && !told.some((one) => one.endsWith(wentStale))) return `${reason}${wentStale}`
  return told.length >= TOLD_MAX || told.some((one) => one.startsWith(reason)) ? undefined : reason
}

/** A plan as the status shows it; `at` is added where it is written. */
export type ShownPlan = Omit<NonNullable<DeliveryStatus['plan']>, 'at'>

/** What a status lists at most: it is sent to everybody who follows Deliveries. */
const LISTED_MAX = 50
const FIELDS_MAX = 20
const LISTED_CHARS_MAX = 16 * 1024

export function shownPlan(digest: Digest, plan: Digest, { changes }: Pick<Plan, 'changes'>): ShownPlan {
  const { total, digest: whole, listed } = changeList(changes)
  const bounded = listed.slice(0, LISTED_MAX).map(({ action, object, fields, manager }) => ({
    action,
    object,
    ...(action === 'adopt' && manager !== undefined ? { manager } : {}),
    ...(fields === undefined ? {} : { fields: fields.slice(0, FIELDS_MAX) }),
  }))
  let chars = 0
  const few = bounded.filter((change) => {
    chars += JSON.stringify(change).length
    return chars <= LISTED_CHARS_MAX
  })
  return { digest, plan, changes: { total, digest: whole, listed: few } }
}
