import { isDigest } from '../../contract/digest.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { timestamp } from '../clock.ts'
import { driftedSince, recordLeftDrift } from '../drift/left-drift.ts'
import { ANNOTATION, type Change, type RecordSpec } from '../kinds.ts'
import { boundedMessage } from '../message.ts'
import { timed } from '../metrics/observation.ts'
import { confirmCommand } from '../plan/confirmation.ts'
import { gather } from '../plan/gather.ts'
import { type Inventory, readInventory } from '../plan/inventory.ts'
import { type Plan, planChanges } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { withoutUndoing } from '../plan/report-only.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import { ofHealth } from './await-health.ts'
import { converge, writeIntent } from './converge.ts'
import { factsAbout, goesOn, intentToContinue, isSettled, outcomeKind, ranBefore } from './facts.ts'
import type { Job, Result } from './job.ts'
import { beginWait } from './release-wait.ts'
import { steady } from './steady.ts'

/**
 * Plan → Apply → Wait → Record. Nothing is written to users' objects before the Intent is, and the Intent not before the
 * plan is free of refusals.
 * @throws WaybillError CLUSTER_*, INVENTORY_INVALID
 */
export async function carryOut(job: Job): Promise<Result> {
  const { site, turn, fetched } = job
  const context = planContext(job)
  const inventory = await inventoryOf(job, context)
  job.memory?.wrote(inventory)
  const gathered = await timed(site, 'plan', () =>
    gather(context, fetched.objects, inventory, site.cluster, { signal: turn.signal, recall: job.memory }),
  )
  if (turn.signal.aborted) return { kind: 'interrupted' }
  const plan = planChanges(context, gathered, inventory)
  if (plan.refusals.length > 0) return refused(job, plan)
  const gate = job.gate === undefined ? 'go' : await job.gate(plan)
  if (gate === 'look') return withLeft(await steady(job, context, plan), plan.broken)
  if (gate !== 'go') return gate
  const { summary } = job.ledger
  const { digest } = fetched.verified
  // What a person confirmed since then is on record before anything is deleted for it.
  const isConfirmedBefore = plan.asked === undefined || context.begun?.what === context.confirmed
  const intent = isConfirmedBefore
    ? intentToContinue(summary, { digest, generation: wantedGeneration(job) })
    : undefined
  const settled = job.role === 'current' || isSettled(summary, fetched.verified, job.delivery.generation)
  const left = leftOf(job, plan, { intent, settled })
  const leaves = new Set(left.map(({ object }) => object))
  const isAll = intent === undefined && leavesDrift(job, settled)
  const rest = isAll || leaves.size > 0 ? withoutUndoing(plan, inventory, isAll ? undefined : leaves) : plan
  // Whatever becomes of the rest, that the glass is broken is on record.
  if (plan.broken.length > 0 && left.length > 0) await recordLeftDrift(job, left, { ends: false })
  // Before it is put back: an Intent that goes on lists what was to be done when it was written.
  const since = intent === undefined ? [] : driftedSince(intent, rest)
  if (since.length > 0) await recordLeftDrift(job, since, { ends: false })
  const goesOn = leaves.size > 0 && intent?.trigger.type === 'drift' ? {} : { intent }
  const result = await carryOutRest(job, context, { intent: undefined, ...goesOn, plan: rest, inventory, settled })
  if (result.kind === 'healthy') await recordLeftDrift(job, left)
  return withLeft(result, left)
}

function withLeft(result: Result, left: readonly Change[]): Result {
  return result.kind === 'healthy' || (result.kind === 'failed' && left.length > 0) ? { ...result, left } : result
}

/** What is left as it is found, while nothing new is declared: all drift with `drift: report`, and whatever has its glass broken. */
function leftOf(job: Job, plan: Plan, { intent, settled }: Pick<Rest, 'intent' | 'settled'>): readonly Change[] {
  const { broken, drifted } = plan
  const isBroken = new Set(broken.map(({ object }) => object))
  const others = drifted.filter(({ object }) => !isBroken.has(object))
  if (intent === undefined && leavesDrift(job, settled)) return [...broken, ...others]
  if (intent === undefined) return settled || isUnchanged(job) ? broken : []
  // A release that goes out is applied over it; a repair, or another try of what failed, is not.
  const goesOut = intent.trigger.type !== 'drift' && job.ledger.summary.openIntent !== undefined
  return goesOut ? [] : broken
}

/** As remembered or read. Nothing is in it before the first Intent is on record. */
async function inventoryOf({ memory, ledger, site }: Job, { delivery }: PlanContext): Promise<Inventory> {
  if (ledger.summary.head === undefined) return { entries: new Map(), shards: [] }
  return memory?.books?.inventory ?? readInventory(site.cluster, delivery)
}

/** With `drift: report`, whatever differs while nothing new is declared is left as it is. */
function leavesDrift(job: Job, settled: boolean): boolean {
  return job.delivery.spec.drift === 'report' && (settled || isUnchanged(job))
}

type Rest = {
  readonly plan: Plan
  readonly inventory: Inventory
  readonly intent: RecordSpec | undefined
  readonly settled: boolean
}

async function carryOutRest(
  job: Job,
  context: PlanContext,
  { plan, inventory, intent, settled }: Rest,
): Promise<Result> {
  if (intent === undefined && settled && plan.isNoop && plan.failures.length === 0) return steady(job, context, plan)
  if (intent === undefined && plan.isNoop && isUnchanged(job)) return unchanged(job, context, plan)
  const opened = intent ?? (await writeIntent(job, plan, settled))
  return converge(job, context, plan, inventory, opened)
}

/** A spec that was edited gets an Intent of its own; what only runs on goes on under the one that it has. */
function wantedGeneration({ role, delivery }: Pick<Job, 'role' | 'delivery'>): number | undefined {
  return role === 'asked' ? delivery.generation : undefined
}

/** What planning needs to know of a Delivery and what was fetched for it. */
export function planContext({
  delivery,
  account,
  fetched,
  site,
  ledger,
  role = 'asked',
}: Pick<Job, 'delivery' | 'account' | 'fetched' | 'site'> & {
  readonly ledger: { readonly summary: LedgerSummary }
  readonly role?: Job['role']
}): PlanContext {
  const confirmed = delivery.annotations[ANNOTATION.confirm]
  const { digest } = fetched.verified
  const begun = intentToContinue(ledger.summary, {
    digest,
    generation: wantedGeneration({ role, delivery }),
  })?.confirmed
  return {
    delivery: { name: delivery.name, namespace: delivery.namespace, uid: delivery.uid },
    account,
    digest,
    adopt: delivery.spec.adopt,
    prune: delivery.spec.prune,
    ...(delivery.spec.ignore === undefined ? {} : { ignore: delivery.spec.ignore }),
    confirmed: confirmed !== undefined && isDigest(confirmed) ? confirmed : undefined,
    ...(begun === undefined ? {} : { begun }),
    environment: fetched.environment,
    generation: delivery.generation,
    ranBefore: ranBefore(ledger.summary, fetched),
    ...(delivery.spec.health === undefined ? {} : { health: delivery.spec.health }),
    ...(delivery.spec.force === undefined ? {} : { force: delivery.spec.force.kinds }),
    ...(site.guard === true ? { guard: true } : {}),
    claimKey: site.keys.claimKey,
  }
}

const GUARDS: readonly ErrorCode[] = ['ENVIRONMENT_EMPTY', 'PRUNE_PROTECTED', 'PRUNE_LIMIT']

function refused({ delivery }: Pick<Job, 'delivery'>, plan: Plan): Result {
  const codes = [...new Set(plan.refusals.map(({ code }) => code))]
  const [only] = codes
  // Guards that one confirmation lifts are told as the gravest of them.
  const guard = codes.every((code) => GUARDS.includes(code)) ? GUARDS.find((code) => codes.includes(code)) : undefined
  const code: ErrorCode = guard ?? (codes.length === 1 && only !== undefined ? only : 'PLAN_REFUSED')
  const listed = plan.refusals
    .slice(0, 5)
    .map(({ object, message }) => (object === '' ? message : `${object}: ${message}`))
  const more = plan.refusals.length > 5 ? `; and ${plan.refusals.length - 5} more` : ''
  const confirm = plan.asked?.what
  const step = confirm === undefined ? '' : `; to have exactly this done: \`${confirmCommand(delivery, confirm)}\``
  return {
    kind: 'refused',
    said: {
      code,
      message: `${boundedMessage(`${listed.join('; ')}${more}`, step === '' ? undefined : SAID_CHARS_MAX)}${step}`,
    },
    objects: plan.refusals,
    ...(confirm === undefined ? {} : { confirm }),
  }
}

/** What is to be typed comes after it, and is not cut off where only the first thousand characters are shown, as in Events. */
const SAID_CHARS_MAX = 640

/** The tree is the one that was applied last, and this is not a step back: a release that changes nothing here. */
function isUnchanged({ ledger, fetched, role }: Job): boolean {
  const { applied } = ledger.summary
  return (
    role === 'asked' &&
    ledger.summary.openIntent === undefined &&
    applied !== undefined &&
    applied.treeDigest === fetched.treeDigest &&
    applied.environment === fetched.environment &&
    (goesOn(ledger.summary, fetched.verified.digest) ||
      outcomeKind(ledger.summary, fetched.verified.digest, undefined) === 'Applied')
  )
}

async function unchanged(job: Job, context: PlanContext, plan: Plan): Promise<Result> {
  const startedAt = timestamp(job.site.clock)
  const wait = beginWait(job, context, plan)
  const health = await wait.healthy(plan.desired).finally(wait.close)
  if (!health.healthy && wait.ended() !== undefined) return { kind: 'interrupted' }
  const result = ofHealth(health, undefined)
  if (result.kind === 'healthy')
    await job.ledger.append({
      ...factsAbout(job.delivery, { verified: job.fetched.verified, fetched: job.fetched }),
      kind: 'Unchanged',
      trigger: job.trigger,
      startedAt,
      finishedAt: timestamp(job.site.clock),
    })
  return result
}
