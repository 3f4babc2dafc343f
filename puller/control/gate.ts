import { type Digest, parseDigest, shortDigest } from '../../contract/digest.ts'
import { timestamp } from '../clock.ts'
import type { Plan } from '../plan/plan.ts'
import type { Observed } from '../reconcile/ask.ts'
import { factsAbout } from '../reconcile/facts.ts'
import type { Gate, Waiting } from '../reconcile/job.ts'
import { changeList } from '../records/record.ts'
import type { Fetched } from '../source/fetch.ts'
import type { Resolved } from '../source/resolve.ts'
import { approvalOf, planDigest, shownPlan, waitingNews } from './approval.ts'
import { isMove, windowWait } from './control.ts'

/** Why a new release is not even planned now; undefined: go on. */
export function windowGate({ delivery, ledger, site }: Observed, resolved: Resolved): Waiting | undefined {
  const { sync } = delivery.spec
  if (sync !== 'automatic' || !isMove(ledger.summary, delivery, resolved)) return undefined
  const wait = windowWait(delivery, site.clock.nowMs())
  return wait && outsideWindow(resolved.digest, wait)
}

function outsideWindow(
  digest: Digest,
  { until, lookAtMs }: NonNullable<ReturnType<typeof windowWait>>,
  { approved }: { readonly approved?: boolean } = {},
): Waiting {
  const what = approved === true ? ', which is approved,' : ''
  return {
    kind: 'waiting',
    reason: 'OutsideWindow',
    message: `${shortDigest(digest)}${what} waits for a window: ${until}`,
    ...(lookAtMs === undefined ? {} : { lookAtMs }),
  }
}

/** What stands between a plan and its first write, as the Delivery says; undefined: nothing. */
export function gateOf(observed: Observed, resolved: Resolved, fetched: Fetched): Gate | undefined {
  const { delivery, ledger } = observed
  const { sync } = delivery.spec
  if (sync === 'observe') return observeOnly(observed, fetched)
  if (sync !== 'approve' || !isMove(ledger.summary, delivery, resolved)) return undefined
  return async (plan) => {
    const { digest } = resolved
    const shown = shownPlan(digest, digestOfPlan(observed, fetched, plan), plan)
    const approval = approvalOf(delivery, digest, parseDigest(shown.plan))
    if (approval.kind === 'needed' && !plan.isNoop) {
      const stale = staleOf(observed, digest, approval.stale)
      await recordWaiting(observed, fetched, plan, { plan: parseDigest(shown.plan), stale })
      return { kind: 'waiting', reason: 'AwaitingApproval', message: askFor(observed, fetched, shown, stale), shown }
    }
    const wait = windowWait(delivery, observed.site.clock.nowMs())
    if (wait !== undefined) return { ...outsideWindow(digest, wait, { approved: !plan.isNoop }), shown }
    // What changes nothing needs nobody.
    if (approval.kind === 'approved' && !plan.isNoop)
      await recordApproval(observed, fetched, plan, { plan: parseDigest(shown.plan), by: approval.by })
    return 'go'
  }
}

/** In `observe` nothing is written, whatever the plan says. */
export function observeOnly(observed: Observed, fetched: Fetched): Gate {
  return async (plan) => {
    if (plan.isNoop) return 'look'
    const { digest } = fetched.verified
    const shown = shownPlan(digest, digestOfPlan(observed, fetched, plan), plan)
    const message = `${counted(plan)} to ${shortDigest(digest)}, and sync is observe: nothing is written`
    return { kind: 'waiting', reason: 'Observed', message, shown, differs: plan }
  }
}

function digestOfPlan({ ledger }: Observed, fetched: Fetched, plan: Plan): Digest {
  const { environment, treeDigest, verified } = fetched
  const { records, applied } = ledger.summary
  return planDigest({ digest: verified.digest, environment, treeDigest, records, applied }, plan)
}

function askFor(
  { delivery }: Observed,
  { verified }: Fetched,
  { digest, plan }: NonNullable<Waiting['shown']>,
  stale: Digest | undefined,
) {
  const { namespace, name } = delivery
  const again = stale === undefined ? '' : `; the plan that was approved, ${shortDigest(stale)}, is no longer true`
  const command = `waybill approve ${name} ${digest} -n ${namespace}`
  const version = verified.release?.version ?? verified.trusted.releases.at(-1)
  const what = version === undefined ? shortDigest(digest) : `${version}, ${shortDigest(digest)}`
  return `${what} waits for approval of plan ${shortDigest(plan)}${again}: \`waybill plan ${name} -n ${namespace}\`, then \`${command}\``
}

/** `3 changes`, or what else keeps the cluster from being as it is to be. */
function counted({ changes, failures }: Plan): string {
  const what = `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`
  return failures.length === 0 ? what : `${what}, and ${failures.length} that no API answers for,`
}

/** What was approved and done is no plan that went stale. */
function staleOf({ ledger }: Observed, digest: Digest, stale: Digest | undefined): Digest | undefined {
  if (stale === undefined) return undefined
  const isUsedUp = ledger.summary.records.some(
    ({ kind, digest: of, trigger }) => kind === 'Approved' && of === digest && trigger.reason === reasonOf(stale),
  )
  return isUsedUp ? undefined : stale
}

function reasonOf(plan: Digest): string {
  return `plan ${plan}`
}

/** On record, so that people are told wherever records go; once, also where the puller stopped right after it. */
async function recordWaiting(
  { delivery, ledger, site }: Observed,
  fetched: Fetched,
  { changes }: Plan,
  { plan, stale }: { readonly plan: Digest; readonly stale: Digest | undefined },
): Promise<void> {
  const reason = waitingNews(ledger.summary, fetched.verified.digest, plan, stale)
  if (reason === undefined) return
  // What only waits was not seen to run: a release that is taken back meanwhile is no step back.
  const { promotion: _p, release: _r, ...about } = factsAbout(delivery, { verified: fetched.verified, fetched })
  const at = timestamp(site.clock)
  await ledger.append({
    ...about,
    kind: 'AwaitingApproval',
    trigger: { type: 'approval', generation: delivery.generation, reason },
    changes: changeList(changes),
    startedAt: at,
    finishedAt: at,
  })
}

/** Once: a puller that stopped just after it goes on under the same record. */
async function recordApproval(
  { delivery, ledger, site }: Observed,
  fetched: Fetched,
  { changes }: Plan,
  { plan, by }: { readonly plan: Digest; readonly by: string | undefined },
): Promise<void> {
  const reason = reasonOf(plan)
  const newest = ledger.summary.records.at(-1)
  if (newest?.kind === 'Approved' && newest.trigger.reason === reason) return
  const at = timestamp(site.clock)
  await ledger.append({
    ...factsAbout(delivery, { verified: fetched.verified, fetched }),
    kind: 'Approved',
    trigger: { type: 'approval', generation: delivery.generation, reason, ...(by === undefined ? {} : { by }) },
    changes: changeList(changes),
    startedAt: at,
    finishedAt: at,
  })
}
