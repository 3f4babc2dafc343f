import { WaybillError } from '../../contract/errors.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { waitHealthy } from '../health/wait.ts'
import { AT_ONCE } from '../plan/gather.ts'
import { type Inventory, writeInventory } from '../plan/inventory.ts'
import { otherDeliveries } from '../plan/other-deliveries.ts'
import type { Plan, PlannedChange } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { SchemaCheck } from '../plan/schema-check.ts'
import { STAGE_COUNT } from '../plan/stages.ts'
import { readyToWrite } from './apply-deferred.ts'
import { writeObject } from './apply-object.ts'
import type { Applying, Book, Outcome } from './applying.ts'
import { pruneAll } from './prune.ts'

export type Applied = {
  /** Objects that were reached, in the order of the plan. Any `refused` or `failed`: later stages and prune were left out. */
  readonly outcomes: readonly Outcome[]
  readonly inventory: Inventory
  /** True where `signal` ended it early; what was done is in the outcomes and the inventory. */
  readonly aborted: boolean
}

export type ApplyPlanOptions = { readonly signal?: AbortSignal; readonly clock?: Clock }

/** How long CRDs and Namespaces of the first stage may take to be usable. */
const FIRST_STAGE_MS = 60_000

/**
 * Does what the plan says and decides nothing: inventory ahead, stages, uids into the inventory, deletes, final inventory.
 * @throws WaybillError PLAN_REFUSED for a plan with refusals, before anything is written; CLUSTER_UNREACHABLE, CLUSTER_AUTH,
 *   CLUSTER_CONFLICT when the inventory cannot be written (another puller is at work)
 */
export async function applyPlan(
  context: PlanContext,
  plan: Plan,
  inventory: Inventory,
  cluster: Cluster,
  { signal, clock = systemClock }: ApplyPlanOptions = {},
): Promise<Applied> {
  if (plan.refusals.length > 0)
    throw new WaybillError('PLAN_REFUSED', `${plan.refusals.length} refusals`, { faults: plan.refusals })
  const unchanged = plan.unchanged.map(({ name }): Outcome => ({ object: name, result: 'unchanged' }))
  if (plan.isNoop) return { outcomes: unchanged, inventory, aborted: false }
  const { delivery } = context
  const ahead = await writeInventory(cluster, delivery, inventory, plan.ahead)
  const book: Book = new Map(ahead.entries)
  const applying: Applying = { context, cluster, clock, schemas: new SchemaCheck(cluster), signal, book }
  const contested = await contestedAdoptions(applying, plan)
  const outcomes: Outcome[] = [...unchanged]
  for (let stage = 0; stage < STAGE_COUNT && canGoOn(outcomes, signal); stage++) {
    const planned = plan.stages[stage] ?? []
    outcomes.push(...(await applyStage(applying, planned, contested)))
    outcomes.push(...plan.failures.filter((failure) => failure.stage === stage).map(failedOutcome))
    if (stage === 0 && canGoOn(outcomes, signal)) outcomes.push(...(await firstStageUsable(applying, planned)))
  }
  const recorded = await writeInventory(cluster, delivery, ahead, [...book.values()])
  if (canGoOn(outcomes, signal)) {
    outcomes.push(...plan.failures.filter(({ stage }) => stage >= STAGE_COUNT).map(failedOutcome))
    outcomes.push(...(await pruneAll(applying, plan.deletes)))
  }
  const final = await writeInventory(cluster, delivery, recorded, [...book.values()])
  return { outcomes, inventory: final, aborted: signal?.aborted === true }
}

function canGoOn(outcomes: readonly Outcome[], signal: AbortSignal | undefined): boolean {
  return signal?.aborted !== true && outcomes.every(({ result }) => result !== 'refused' && result !== 'failed')
}

function failedOutcome({ object, code, message }: Plan['failures'][number]): Outcome {
  return { object, result: 'failed', code, message }
}

/** Adoptions that another Delivery wrote down too, meanwhile: neither takes the object. */
async function contestedAdoptions({ context, cluster, book }: Applying, plan: Plan): Promise<ReadonlySet<string>> {
  const adoptions = plan.stages.flat().filter(({ action }) => action === 'adopt')
  if (adoptions.length === 0) return new Set()
  const others = await otherDeliveries(cluster, context.delivery)
  const contested = adoptions.map(({ desired }) => desired.key).filter((key) => others.has(key))
  for (const key of contested) book.delete(key)
  return new Set(contested)
}

/** Dry-runs what had to wait, then writes; nothing of the stage is written when one of those is refused. */
async function applyStage(
  applying: Applying,
  planned: readonly PlannedChange[],
  contested: ReadonlySet<string>,
): Promise<readonly Outcome[]> {
  const { ready, outcomes } = await readyToWrite(applying, planned)
  if (outcomes.some(({ result }) => result === 'refused')) return outcomes
  const written = await inParallel(ready, AT_ONCE, async (change): Promise<Outcome[]> => {
    const { name, key } = change.desired
    if (contested.has(key))
      return [{ object: name, result: 'refused', code: 'OBJECT_OWNED', message: 'another Delivery took it meanwhile' }]
    return applying.signal?.aborted === true ? [] : [await writeObject(applying, change)]
  })
  return [...outcomes, ...written.flat()]
}

/** CRDs must be established and namespaces active before anything is put into them. */
async function firstStageUsable(applying: Applying, planned: readonly PlannedChange[]): Promise<readonly Outcome[]> {
  const { context, cluster, clock, signal } = applying
  const needed = planned.map(({ desired }) => desired).filter(({ id }) => id.kind === 'CustomResourceDefinition')
  if (needed.length === 0) return []
  const health = await waitHealthy(context, needed, cluster, {
    timeoutMs: FIRST_STAGE_MS,
    clock,
    ...(signal !== undefined && { signal }),
  })
  return [
    ...health.failed.map((note): Outcome => ({ ...note, result: 'failed', code: 'HEALTH_FAILED' })),
    ...health.waiting.map((note): Outcome => ({ ...note, result: 'failed', code: 'HEALTH_TIMEOUT' })),
  ]
}
