import type { Digest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { checkAccount, meetAccount } from '../cluster/access.ts'
import { accountOf } from '../cluster/delivery-extra.ts'
import { isMove, isOther, windowWait } from '../control/control.ts'
import { gateOf, windowGate } from '../control/gate.ts'
import type { Delivery } from '../kinds.ts'
import type { Said } from '../message.ts'
import type { Plan } from '../plan/plan.ts'
import type { Account } from '../plan/plan-context.ts'
import type { Site } from '../site.ts'
import { dueSinceMs } from '../source/due.ts'
import type { Resolved } from '../source/resolve.ts'
import { type PullAccess, readPullAccess } from '../source/secrets.ts'
import type { Verified } from '../source/verify.ts'
import { type Asked, ask, fromOutside, type Observed, watchForNewer } from './ask.ts'
import { carryOut } from './carry-out.ts'
import { dependencyWait } from './dependencies.ts'
import { basisOf, intentToContinue, isSettled, triggerOf } from './facts.ts'
import type { Job, Result, Waiting } from './job.ts'
import { isDistrust, isOrder, keep } from './keep.ts'
import { recordDistrust, recordRefusal } from './record-refusal.ts'
import { Sight } from './sight.ts'

/** How one reconcile ended, for the status and the queue. */
export type Ending = {
  /** What the source names; absent when it could not be asked. */
  readonly resolved?: Resolved
  readonly promotionSequence?: number
  /** When the source was asked and answered, in milliseconds since 1970; absent when it did not, or was not to be asked. */
  readonly askedAtMs?: number
  /** Why what is asked for is not carried out. */
  readonly refusal?: Said
  /** What a person may confirm, to have what is refused done. */
  readonly confirm?: Digest
  /** What became of what is asked for, or of what ran before in its place; absent when there was nothing to keep. */
  readonly result?: Result
  /** `result` is about what ran before. */
  readonly kept: boolean
  /** Why what is asked for is not carried out yet, though nothing is wrong with it. */
  readonly waiting?: Waiting
  /** In `observe`: how the cluster differs from what ran before. */
  readonly differs?: Plan
  /** How long the registry asked to be left alone. */
  readonly retryAfterMs?: number
  /** What no watch shows, with why: it is compared at the interval. */
  readonly unwatched?: readonly string[]
  /** Objects that another manager takes again and again: left alone for a while. */
  readonly contested?: readonly { readonly object: string; readonly manager: string | undefined }[]
}

/** One reconcile: Observe was done; Resolve → Verify → Fetch → Plan → Apply → Wait → Record. Errors: CLUSTER_*, RECORD_*. */
export async function reconcile(observed: Observed): Promise<Ending> {
  const { ledger } = observed
  if (ledger.summary.broken !== undefined) throw new WaybillError('RECORD_CHAIN_BROKEN', ledger.summary.broken)
  const { site, delivery } = observed
  const atMs = site.clock.nowMs()
  const asked = await ask(observed)
  const answered = dueSinceMs(delivery, atMs) !== undefined && hasAnswered(delivery, asked) ? { askedAtMs: atMs } : {}
  // What was given up on the way says nothing of what was asked for.
  if (observed.turn.signal.aborted) return { result: { kind: 'interrupted' }, kept: false }
  if (asked.kind === 'fetched') {
    const result =
      windowGate(observed, asked.resolved) ??
      (await dependencyGate(observed, asked)) ??
      (await carryOutUnlessWaiting(observed, asked))
    const about = { resolved: asked.resolved, ...sequenceOf(asked.verified), ...answered }
    if (result.kind === 'waiting') return { ...about, ...(await whileWaiting(observed, asked, result)) }
    if (result.kind !== 'refused') return { ...about, result, kept: false }
    await recordRefusal(observed, { ...asked, said: result.said, objects: result.objects })
    const { said, confirm } = result
    const kept = await keep(observed, asked.resolved.digest)
    return { ...about, refusal: said, ...(confirm === undefined ? {} : { confirm }), ...kept }
  }
  const { resolved, said } = asked
  const about = { ...(resolved === undefined ? {} : { resolved }), ...answered, ...patience(asked) }
  if (resolved !== undefined && isDistrust(said.code) && isWhatRuns(observed, resolved)) {
    await recordDistrust(observed, resolved.digest, said)
    return { ...about, refusal: said, kept: false }
  }
  await recordRefusal(observed, asked)
  const keepsSame = isOrder(said.code) || resolved?.release !== undefined
  return { ...about, refusal: said, ...(await keep(observed, keepsSame ? undefined : resolved?.digest)) }
}

/** A plan that waits is made again when its approval comes and with each comparison of everything, not at each look. */
async function carryOutUnlessWaiting(observed: Observed, asked: Extract<Asked, { kind: 'fetched' }>): Promise<Result> {
  const { digest, environment, treeDigest } = { ...asked.fetched, digest: asked.resolved.digest }
  const of = `${digest} ${environment} ${treeDigest}`
  const { clock } = observed.site
  const known = observed.memory?.books?.waiting
  const isOver = (known?.found.lookAtMs ?? Number.POSITIVE_INFINITY) <= clock.nowMs()
  // What differs is told anew where drift is why this look is made.
  const isOfDrift =
    known?.found.reason === 'Observed' && observed.memory?.askedBefore(clock.monotonicMs()) !== undefined
  if (known?.of === of && !isOver && !isOfDrift) return known.found
  const result = await carryOut(askedJob(observed, asked))
  const { books } = observed.memory ?? {}
  if (books === undefined) return result
  delete books.waiting
  // Of what runs, how it differs is asked at each look: it may be put right by another hand.
  const { ledger, delivery } = observed
  if (result.kind === 'waiting' && isMove(ledger.summary, delivery, asked.resolved))
    books.waiting = { of, found: result }
  return result
}

/** While what is asked for waits, what ran before is kept in shape; in `observe` it is told how that differs. */
async function whileWaiting(
  observed: Observed,
  { resolved }: Extract<Asked, { kind: 'fetched' }>,
  waiting: Waiting,
): Promise<Pick<Ending, 'waiting' | 'result' | 'kept' | 'differs'>> {
  const { ledger, delivery } = observed
  const { differs } = waiting
  if (differs !== undefined && !isOther(ledger.summary, delivery, resolved)) return { waiting, kept: false, differs }
  return { waiting, ...(await keep(observed, undefined)) }
}

/** A release that has not begun waits for what the Delivery depends on; what runs, what is held and what is only looked at does not. */
async function dependencyGate(
  observed: Observed,
  { resolved, verified }: Extract<Asked, { kind: 'fetched' }>,
): Promise<Waiting | undefined> {
  const { account, delivery, ledger, site } = observed
  const { dependsOn, sync } = delivery.spec
  if (dependsOn === undefined || sync === 'observe' || resolved.via === 'hold') return undefined
  const { generation } = delivery
  const begun = intentToContinue(ledger.summary, { digest: resolved.digest, generation })
  if (begun !== undefined || isSettled(ledger.summary, verified, generation)) return undefined
  const sight = observed.memory?.sight ?? new Sight()
  const wait = await dependencyWait(delivery, site.deliveries?.() ?? [], (namespace, name) =>
    sight.maySee(site, account, namespace, name),
  )
  return wait && { kind: 'waiting', reason: 'DependencyNotReady', ...wait }
}

/** That there is no such tag is an answer too, where an earlier one is remembered for this spec: it stands until the next time. */
function hasAnswered({ status, generation }: Delivery, asked: Asked): boolean {
  if (asked.kind === 'fetched' || asked.resolved !== undefined) return true
  const { code } = asked.said
  return (code === 'REGISTRY_NOT_FOUND' || code === 'VERSION_UNMATCHED') && status.schedule?.generation === generation
}

/** The digest that runs, under the name that it was chosen by: another version that nobody released may be at the same digest. */
function isWhatRuns({ ledger: { summary } }: Observed, { digest, release }: Resolved): boolean {
  if (digest !== summary.current) return false
  return release === undefined || basisOf(summary, digest)?.release?.version === release.version
}

function patience({ retryAfterMs }: { readonly retryAfterMs: number }): Pick<Ending, 'retryAfterMs'> {
  return retryAfterMs > 0 ? { retryAfterMs } : {}
}

function askedJob(observed: Observed, asked: Extract<Asked, { kind: 'fetched' }>): Job {
  const { delivery, ledger } = observed
  const { resolved, verified, fetched } = asked
  const reason = verified.trusted.promotion?.reason
  const trigger = triggerOf(delivery, ledger.summary, { ...resolved, ...(reason === undefined ? {} : { reason }) })
  const gate = gateOf(observed, resolved, fetched)
  return {
    ...observed,
    fetched,
    role: 'asked',
    trigger,
    ...(gate === undefined ? {} : { gate }),
    newer: (signal) => watchForNewer(fromOutside(observed, signal), resolved, () => mayMove(observed)),
  }
}

/** Whether a newer release would be let through now: one that would wait takes no place of one that is waited for. */
function mayMove({ delivery, site }: Observed): boolean {
  return delivery.spec.sync === 'automatic' && windowWait(delivery, site.clock.nowMs()) === undefined
}

function sequenceOf(verified: Verified): Pick<Ending, 'promotionSequence'> {
  return verified.promotion === undefined ? {} : { promotionSequence: verified.promotion.sequence }
}

/** Observe's checks that need the cluster: the account exists and can be acted as, and its secrets can be read. */
export async function observeAccount(
  site: Site,
  delivery: Delivery,
  { isDoubtful = true }: { readonly isDoubtful?: boolean } = {},
): Promise<{ readonly account: Account; readonly access: PullAccess }> {
  const account = accountOf(delivery)
  await (isDoubtful ? checkAccount : meetAccount)(site.cluster, account)
  return { account, access: await readPullAccess(site.cluster, account, delivery.spec) }
}
