import { isDigest } from '../contract/digest.ts'
import { type ErrorCode, WaybillError } from '../contract/errors.ts'
import { applyPlan } from './apply.ts'
import { timestamp } from './clock.ts'
import { errorKey, factsAbout, factsOfError, intentToContinue, isSettled, outcomeKind } from './facts.ts'
import type { Fetched } from './fetch.ts'
import { gather } from './gather.ts'
import { type Inventory, readInventory } from './inventory.ts'
import { ANNOTATION, type Delivery, type RecordFacts, type RecordSpec } from './kinds.ts'
import type { Ledger } from './ledger.ts'
import { boundedMessage, type Said } from './message.ts'
import { labelParent } from './parent.ts'
import { type Plan, planChanges } from './plan.ts'
import type { Account, PlanContext } from './plan-context.ts'
import type { Turn } from './queue.ts'
import { changeList } from './record.ts'
import type { Refusal } from './refusal.ts'
import type { Site } from './site.ts'
import { type Health, waitHealthy } from './wait.ts'

/** One verified and fetched environment that the cluster is to be converged onto. */
export type Job = {
  readonly site: Site
  readonly delivery: Delivery
  readonly account: Account
  readonly ledger: Ledger
  readonly turn: Turn
  readonly fetched: Fetched
  /** `asked`: what the Delivery asks for. `current`: what ran before, kept in shape while what is asked for cannot be had. */
  readonly role: 'asked' | 'current'
  readonly trigger: RecordFacts['trigger']
  /** Resolves when something newer, verified, has come in the place of this; never rejects. */
  readonly newer: (signal: AbortSignal) => Promise<string | undefined>
  /** Tells people that it is under way. */
  readonly progress: (reason: string, message: string) => Promise<void>
}

export type Result =
  /** Converged and healthy; `corrected` holds what had drifted, when something had. */
  | { readonly kind: 'healthy'; readonly corrected: Plan | undefined }
  | { readonly kind: 'refused'; readonly said: Said; readonly objects: readonly Refusal[] }
  /** Not as it should be; it is tried again. */
  | { readonly kind: 'failed'; readonly said: Said }
  /** A newer release or wish is there: look again at once. */
  | { readonly kind: 'interrupted' }

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
    confirmed: confirmed !== undefined && isDigest(confirmed) ? confirmed : undefined,
    environment: fetched.environment,
    claimKey: site.keys.claimKey,
  }
}

function refused(plan: Plan): Result {
  const codes = [...new Set(plan.refusals.map(({ code }) => code))]
  const [only] = codes
  const code: ErrorCode = codes.length === 1 && only !== undefined ? only : 'PLAN_REFUSED'
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

async function writeIntent(job: Job, plan: Plan, settled: boolean): Promise<RecordSpec> {
  const { ledger, site, delivery } = job
  await supersedeOpen(job)
  const trigger: RecordFacts['trigger'] = settled ? { type: 'drift', generation: delivery.generation } : job.trigger
  await ledger.append({
    ...factsAbout(delivery, { verified: job.fetched.verified, fetched: job.fetched }),
    kind: 'Intent',
    trigger,
    changes: changeList(plan.changes),
    startedAt: timestamp(site.clock),
  })
  const intent = ledger.summary.openIntent
  if (intent === undefined) throw new WaybillError('INTERNAL', 'an Intent was written and is not there')
  return intent
}

/** An Intent that another one takes the place of gets its outcome first. */
async function supersedeOpen({ ledger, site, delivery }: Job): Promise<void> {
  const open = ledger.summary.openIntent
  if (open === undefined) return
  await ledger.append({
    ...aboutIntent(open),
    kind: 'Failed',
    ...factsOfError({
      code: 'SUPERSEDED',
      message:
        open.trigger.generation === delivery.generation
          ? 'another release took its place before it was healthy'
          : 'the Delivery was edited before it was healthy',
    }),
    finishedAt: timestamp(site.clock),
  })
}

async function converge(
  job: Job,
  context: PlanContext,
  plan: Plan,
  inventory: Inventory,
  intent: RecordSpec,
): Promise<Result> {
  const { site, turn } = job
  // Trying again what is applied already is no news: the status goes on saying what is wrong with it.
  const isRetry = plan.isNoop && intent.sequence !== job.ledger.summary.head?.sequence
  if (!isRetry) await job.progress('Applying', `${plan.changes.length} changes for ${context.digest}`)
  await labelParent(site.cluster, job.delivery)
  if (turn.signal.aborted) return { kind: 'interrupted' }
  const applied = await applyPlan(context, plan, inventory, site.cluster, { signal: turn.signal, clock: site.clock })
  if (applied.aborted) return { kind: 'interrupted' }
  const faults = [
    ...applied.outcomes.filter(({ result }) => result === 'refused' || result === 'failed').map(refusalOf),
    ...plan.failures.filter(({ object }) => !applied.outcomes.some((outcome) => outcome.object === object)),
  ]
  if (faults.length > 0) return failed(job, intent, applyError(faults), faults)
  const health = await waited(job, context, plan)
  if (health === 'interrupted') return { kind: 'interrupted' }
  if (health === 'superseded') {
    await supersedeOpen(job)
    return { kind: 'interrupted' }
  }
  const result = ofHealth(health, intent.trigger.type === 'drift' ? plan : undefined)
  if (result.kind === 'failed') return failed(job, intent, result.said, healthFaults(health))
  await job.ledger.append({
    ...aboutIntent(intent),
    kind: outcomeKind(job.ledger.summary, context.digest, intent),
    finishedAt: timestamp(site.clock),
  })
  return result
}

function refusalOf(outcome: { object: string; code?: ErrorCode; message?: string }): Refusal {
  return {
    object: outcome.object,
    code: outcome.code ?? 'APPLY_FAILED',
    message: outcome.message ?? 'it was not applied',
  }
}

function applyError(faults: readonly Refusal[]): Said {
  const listed = faults.slice(0, 5).map(({ object, message }) => `${object}: ${message}`)
  return {
    code: 'APPLY_FAILED',
    message: boundedMessage(`${faults.length} objects were not applied: ${listed.join('; ')}`),
  }
}

async function failed(job: Job, intent: RecordSpec, said: Said, objects: readonly Refusal[]): Promise<Result> {
  const facts: RecordFacts = {
    ...aboutIntent(intent),
    kind: 'Failed',
    ...factsOfError(
      said,
      objects.map(({ object, code, message }) => ({ object, code, message: boundedMessage(message, 512) })),
    ),
    finishedAt: timestamp(job.site.clock),
  }
  const last = job.ledger.summary.lastOutcome
  const saidBefore =
    job.ledger.summary.openIntent === undefined &&
    last?.kind === 'Failed' &&
    last.intent === facts.intent &&
    errorKey(last) === errorKey(facts)
  if (!saidBefore) await job.ledger.append(facts)
  return { kind: 'failed', said }
}

/** What an outcome takes over from its Intent, so that it says the same whether or not the puller was restarted between. */
function aboutIntent(intent: RecordSpec): RecordFacts {
  const { delivery: _d, sequence, previous: _p, key: _k, signature: _s, ...facts } = intent
  return { ...facts, intent: sequence }
}

/** Waits for health in nobody's way; ends early for an edited Delivery or a newer release. */
async function waited(job: Job, context: PlanContext, plan: Plan): Promise<Health | 'interrupted' | 'superseded'> {
  const { site, turn } = job
  const stop = new AbortController()
  const signal = AbortSignal.any([turn.signal, stop.signal])
  let newer: string | undefined
  const watching = job.newer(stop.signal).then((digest) => {
    newer = digest
    if (digest !== undefined) stop.abort()
  })
  try {
    const health = await turn.outside(() =>
      waitHealthy(context, plan.desired, site.cluster, { signal, timeoutMs: site.waitTimeoutMs, clock: site.clock }),
    )
    if (health.healthy) return health
    if (turn.signal.aborted) return 'interrupted'
    return newer === undefined ? health : 'superseded'
  } finally {
    stop.abort()
    await watching
  }
}

function ofHealth(health: Health, corrected: Plan | undefined): Result {
  if (health.healthy) return { kind: 'healthy', corrected }
  const broken = health.failed.length > 0
  const notes = broken ? health.failed : health.waiting
  const listed = notes.slice(0, 5).map(({ object, message }) => `${object}: ${message}`)
  const more = notes.length > 5 ? `; and ${notes.length - 5} more` : ''
  return {
    kind: 'failed',
    said: { code: broken ? 'HEALTH_FAILED' : 'HEALTH_TIMEOUT', message: boundedMessage(`${listed.join('; ')}${more}`) },
  }
}

function healthFaults(health: Health): readonly Refusal[] {
  const faults = (notes: Health['failed'], code: ErrorCode) => notes.map((note) => ({ ...note, code }))
  return [...faults(health.failed, 'HEALTH_FAILED'), ...faults(health.waiting, 'HEALTH_TIMEOUT')]
}
