import { type ErrorCode, WaybillError } from '../../contract/errors.ts'
import { type Applied, applyPlan } from '../apply/apply.ts'
import { timestamp } from '../clock.ts'
import { driftChanges } from '../drift/left-drift.ts'
import type { Delivery, RecordFacts, RecordSpec } from '../kinds.ts'
import { boundedMessage, type Said } from '../message.ts'
import { timed } from '../metrics/observation.ts'
import type { Inventory } from '../plan/inventory.ts'
import type { Plan } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Refusal } from '../plan/refusal.ts'
import { changeList } from '../records/record.ts'
import { healthFaults, ofHealth } from './await-health.ts'
import { errorKey, factsAbout, factsOfError, outcomeKind } from './facts.ts'
import type { Job, Result } from './job.ts'
import { type HeldBack, heldBack, isVerdict, stepBack } from './on-failure.ts'
import { beginWait, type ReleaseWait } from './release-wait.ts'

/** Says what is about to be done, before the first write; what another Intent had begun gets its outcome first. */
export async function writeIntent(job: Job, plan: Plan, settled: boolean): Promise<RecordSpec> {
  const { ledger, site, delivery } = job
  await supersedeOpen(job)
  const trigger: RecordFacts['trigger'] = settled ? { type: 'drift', generation: delivery.generation } : job.trigger
  await ledger.append({
    ...factsAbout(delivery, { verified: job.fetched.verified, fetched: job.fetched }),
    kind: 'Intent',
    trigger,
    changes: changeList(settled ? driftChanges(plan) : plan.changes),
    ...(plan.asked === undefined ? {} : { confirmed: { ...plan.asked, ...byOf(delivery.confirmedBy) } }),
    startedAt: timestamp(site.clock),
  })
  const intent = ledger.summary.openIntent
  if (intent === undefined) throw new WaybillError('INTERNAL', 'an Intent was written and is not there')
  return intent
}

function byOf(editor: Delivery['confirmedBy']): { readonly by?: string } {
  return editor === undefined ? {} : { by: editor.manager }
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

/** So few changes are written before anybody could read that they are. */
const QUICK_MAX = 20

/**
 * Apply → Wait → Record, under an Intent. Ends early, with nothing recorded, when the Delivery was edited.
 * @throws WaybillError CLUSTER_*
 */
export async function converge(
  job: Job,
  context: PlanContext,
  plan: Plan,
  inventory: Inventory,
  intent: RecordSpec,
): Promise<Result> {
  const { site, turn } = job
  // Trying again what is applied already is no news: the status goes on saying what is wrong with it.
  const isRetry = plan.isNoop && intent.sequence !== job.ledger.summary.head?.sequence
  const isDrift = intent.trigger.type === 'drift'
  const isQuick = isDrift || plan.changes.length <= QUICK_MAX
  if (!isRetry && !isQuick) await job.progress('Applying', `${plan.changes.length} changes for ${context.digest}`)
  if (turn.signal.aborted) return { kind: 'interrupted' }
  const held = job.memory?.isRetry === true ? undefined : heldBack(job, job.ledger.summary, intent, plan)
  const wait = beginWait(job, context, plan, { quiet: isRetry || held !== undefined })
  try {
    const applying = {
      clock: site.clock,
      waiter: wait,
      pace: isDrift || held !== undefined ? 'repair' : 'release',
      ...(job.memory !== undefined && { known: job.memory }),
      ...(held === undefined ? {} : { lastGroup: held.lastGroup }),
    } as const
    const applied = await timed(site, 'apply', () => applyPlan(context, plan, inventory, site.cluster, applying))
    job.memory?.wrote(applied.inventory)
    if (wait.ended() === undefined) {
      const ending = await conclude(job, plan, intent, { applied, wait, held })
      if (ending !== undefined) return ending
    }
  } finally {
    await wait.close()
  }
  if (wait.ended() === 'superseded') await supersedeOpen(job)
  return { kind: 'interrupted' }
}

type Concluding = { readonly applied: Applied; readonly wait: ReleaseWait; readonly held: HeldBack | undefined }

/** Undefined: the last wait was ended by something newer. */
async function conclude(
  job: Job,
  plan: Plan,
  intent: RecordSpec,
  { applied, wait, held }: Concluding,
): Promise<Result | undefined> {
  const faults = [
    ...applied.outcomes.filter(({ result }) => result === 'refused' || result === 'failed').map(refusalOf),
    ...plan.failures.filter(({ object }) => !applied.outcomes.some((outcome) => outcome.object === object)),
  ]
  if (faults.length > 0) return failed(job, intent, applyError(faults), faults)
  // What it was held back for is told in the same words, whatever health says by now.
  if (held !== undefined) return withheld(await failed(job, intent, held.error, held.error.objects ?? []))
  const health = applied.unhealthy ?? (await wait.healthy(plan.desired.filter(({ key }) => !applied.ran.has(key))))
  if (!health.healthy && wait.ended() !== undefined) return undefined
  const result = ofHealth(health, intent.trigger.type === 'drift' ? plan : undefined)
  if (result.kind === 'failed') return failed(job, intent, result.said, healthFaults(health))
  job.memory?.wasWell(job.fetched.treeDigest, health)
  await job.ledger.append({
    ...aboutIntent(intent),
    kind: outcomeKind(job.ledger.summary, job.fetched.verified.digest, intent),
    finishedAt: timestamp(job.site.clock),
  })
  return result
}

function withheld(result: Result): Result {
  if (result.kind !== 'failed') return result
  const { code, message } = result.said
  return {
    kind: 'failed',
    held: true,
    said: {
      code,
      message: boundedMessage(
        `${message}; what comes after it waits for a newer release, an edit or another try (waybill.dev/reconcile)`,
      ),
    },
  }
}

function refusalOf(outcome: { object: string; code?: ErrorCode; message?: string }): Refusal {
  return {
    object: outcome.object,
    code: outcome.code ?? 'APPLY_FAILED',
    message: outcome.message ?? 'it was not applied',
  }
}

/** What failed by the judgement of health alone is said as that. */
function applyError(faults: readonly Refusal[]): Said {
  const listed = faults.slice(0, 5).map(({ object, message }) => `${object}: ${message}`)
  const code = faults.every((fault) => fault.code === 'HEALTH_FAILED') ? 'HEALTH_FAILED' : 'APPLY_FAILED'
  const many = faults.length === 1 ? '' : `${faults.length} objects were not applied: `
  return { code, message: boundedMessage(`${many}${listed.join('; ')}`) }
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
  if (intent.trigger.type !== 'drift' && isVerdict(said) && (await stepBack(job, said))) return { kind: 'interrupted' }
  return { kind: 'failed', said }
}

/** What an outcome takes over from its Intent, so that it says the same whether or not the puller was restarted between. */
function aboutIntent(intent: RecordSpec): RecordFacts {
  const { delivery: _d, sequence, previous: _p, key: _k, signature: _s, ...facts } = intent
  return { ...facts, intent: sequence }
}
