import { isDigest } from '../contract/digest.ts'
import type { ErrorCode } from '../contract/errors.ts'
import { ofHealth, waited } from './await-health.ts'
import { timestamp } from './clock.ts'
import { converge, writeIntent } from './converge.ts'
import { factsAbout, intentToContinue, isSettled, outcomeKind } from './facts.ts'
import { waitHealthy } from './health/wait.ts'
import type { Job, Result } from './job.ts'
import { ANNOTATION } from './kinds.ts'
import { boundedMessage } from './message.ts'
import { gather } from './plan/gather.ts'
import { readInventory } from './plan/inventory.ts'
import { type Plan, planChanges } from './plan/plan.ts'
import type { PlanContext } from './plan/plan-context.ts'

/**
 * Plan → Apply → Wait → Record. Nothing is written to users' objects before the Intent is, and the Intent not before the
 * plan is free of refusals.
 * @throws WaybillError CLUSTER_*, INVENTORY_INVALID
 */
export async function carryOut(job: Job): Promise<Result> {
  const { site, turn, fetched } = job
  const context = planContext(job)
  const inventory = await readInventory(site.cluster, context.delivery)
  const gathered = await gather(context, fetched.objects, inventory, site.cluster, { signal: turn.signal })
  if (turn.signal.aborted) return { kind: 'interrupted' }
  const plan = planChanges(context, gathered, inventory)
  if (plan.refusals.length > 0) return refused(plan)
  const gate = job.gate === undefined ? 'go' : await job.gate(plan)
  if (gate === 'look') return steady(job, context, plan)
  if (gate !== 'go') return gate
  const { summary } = job.ledger
  const { digest } = fetched.verified
  const intent = intentToContinue(summary, { digest, generation: wantedGeneration(job) })
  const settled = job.role === 'current' || isSettled(summary, fetched.verified, job.delivery.generation)
  if (intent === undefined && settled && plan.isNoop && plan.failures.length === 0) return steady(job, context, plan)
  if (intent === undefined && plan.isNoop && isUnchanged(job)) return unchanged(job, context, plan)
  const opened = intent ?? (await writeIntent(job, plan, settled))
  return converge(job, context, plan, inventory, opened)
}

/** A spec that was edited gets an Intent of its own; what only runs on goes on under the one that it has. */
function wantedGeneration(job: Job): number | undefined {
  return job.role === 'asked' ? job.delivery.generation : undefined
}

function planContext({ delivery, account, fetched, site }: Job): PlanContext {
  const confirmed = delivery.annotations[ANNOTATION.confirm]
  return {
    delivery: { name: delivery.name, namespace: delivery.namespace, uid: delivery.uid },
    account,
    digest: fetched.verified.digest,
    adopt: delivery.spec.adopt,
    prune: delivery.spec.prune,
    ...(delivery.spec.ignore === undefined ? {} : { ignore: delivery.spec.ignore }),
    confirmed: confirmed !== undefined && isDigest(confirmed) ? confirmed : undefined,
    environment: fetched.environment,
    claimKey: site.keys.claimKey,
  }
}

const GUARDS: readonly ErrorCode[] = ['ENVIRONMENT_EMPTY', 'PRUNE_PROTECTED', 'PRUNE_LIMIT']

function refused(plan: Plan): Result {
  const codes = [...new Set(plan.refusals.map(({ code }) => code))]
  const [only] = codes
  // Guards that one confirmation lifts are told as the gravest of them.
  const guard = codes.every((code) => GUARDS.includes(code)) ? GUARDS.find((code) => codes.includes(code)) : undefined
  const code: ErrorCode = guard ?? (codes.length === 1 && only !== undefined ? only : 'PLAN_REFUSED')
  const listed = plan.refusals
    .slice(0, 5)
    .map(({ object, message }) => (object === '' ? message : `${object}: ${message}`))
  const more = plan.refusals.length > 5 ? `; and ${plan.refusals.length - 5} more` : ''
  return {
    kind: 'refused',
    said: { code, message: boundedMessage(`${listed.join('; ')}${more}`) },
    objects: plan.refusals,
  }
}

/** Nothing to do and nothing new to say: only health is looked at. */
async function steady(job: Job, context: PlanContext, plan: Plan): Promise<Result> {
  const health = await waitHealthy(context, plan.desired, job.site.cluster, {
    timeoutMs: STEADY_MS,
    signal: job.turn.signal,
    clock: job.site.clock,
  })
  return job.turn.signal.aborted ? { kind: 'interrupted' } : ofHealth(health, undefined)
}

const STEADY_MS = 1_000

/** The tree is the one that was applied last, and this is not a step back: a release that changes nothing here. */
function isUnchanged({ ledger, fetched, role }: Job): boolean {
  const { applied } = ledger.summary
  return (
    role === 'asked' &&
    ledger.summary.openIntent === undefined &&
    applied !== undefined &&
    applied.treeDigest === fetched.treeDigest &&
    applied.environment === fetched.environment &&
    outcomeKind(ledger.summary, fetched.verified.digest, undefined) === 'Applied'
  )
}

async function unchanged(job: Job, context: PlanContext, plan: Plan): Promise<Result> {
  const startedAt = timestamp(job.site.clock)
  const health = await waited(job, context, plan)
  if (health === 'interrupted' || health === 'superseded') return { kind: 'interrupted' }
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
