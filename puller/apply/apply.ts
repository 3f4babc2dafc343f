import { WaybillError } from '../../contract/errors.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Known } from '../drift/known.ts'
import type { Health } from '../health/wait.ts'
import { type Inventory, writeInventory } from '../plan/inventory.ts'
import { otherDeliveries } from '../plan/other-deliveries.ts'
import type { Plan } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { SchemaCheck } from '../plan/schema-check.ts'
import { applyGroup } from './apply-group.ts'
import type { Applying, Book, Outcome, Waiter } from './applying.ts'
import { awaitGroup, type Pace } from './await-group.ts'
import { plainWaiter } from './plain-waiter.ts'
import { pruneAll } from './prune.ts'

export type Applied = {
  /** Objects that were reached, in the order of the plan. Any `refused` or `failed`: later groups and prune were left out. */
  readonly outcomes: readonly Outcome[]
  readonly inventory: Inventory
  /** True where `signal` ended it early; what was done is in the outcomes and the inventory. */
  readonly aborted: boolean
  /** What ran for this release and succeeded, by key: it may be gone by now. */
  readonly ran: ReadonlySet<string>
  /** Of a group that did not become healthy: later groups and prune were left out. */
  readonly unhealthy?: Health
}

export type ApplyPlanOptions = {
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly waiter?: Waiter
  readonly pace?: Pace
  /** Is told what writes were answered with. */
  readonly known?: Pick<Known, 'written'>
  /** The last group to be written, by its place; nothing is pruned then. Default: all. */
  readonly lastGroup?: number
}

/**
 * Does what the plan says and decides nothing: inventory ahead, group after group, each healthy before the next, uids into the inventory,
 * deletes, final inventory.
 * @throws WaybillError PLAN_REFUSED for a plan with refusals, before anything is written; CLUSTER_UNREACHABLE, CLUSTER_AUTH,
 *   CLUSTER_CONFLICT when the inventory cannot be written (another puller is at work)
 */
export async function applyPlan(
  context: PlanContext,
  plan: Plan,
  inventory: Inventory,
  cluster: Cluster,
  options: ApplyPlanOptions = {},
): Promise<Applied> {
  if (plan.refusals.length > 0)
    throw new WaybillError('PLAN_REFUSED', `${plan.refusals.length} refusals`, { faults: plan.refusals })
  const unchanged = plan.unchanged.map(({ name }): Outcome => ({ object: name, result: 'unchanged' }))
  if (plan.isNoop) return { outcomes: unchanged, inventory, aborted: false, ran: new Set() }
  const { clock = systemClock, pace = 'release', lastGroup = Number.POSITIVE_INFINITY } = options
  const waiter = options.waiter ?? plainWaiter(context, cluster, clock, options.signal)
  const signal = options.waiter === undefined ? options.signal : waiter.signal
  let stored = await writeInventory(cluster, context.delivery, inventory, plan.ahead)
  const book: Book = new Map(stored.entries)
  const store = async () => {
    stored = await writeInventory(cluster, context.delivery, stored, [...book.values()])
  }
  const { known } = options
  const applying = { context, cluster, clock, schemas: new SchemaCheck(cluster), signal, book, waiter, store, known }
  const contested = await contestedAdoptions(applying, plan)
  const outcomes: Outcome[] = [...unchanged]
  const hasRun = (key: string) => book.get(key)?.run?.ended === 'succeeded'
  const ended = (unhealthy?: Health): Applied => ({
    outcomes,
    inventory: stored,
    aborted: signal?.aborted === true,
    ran: new Set(plan.desired.flatMap(({ key, runsOnce }) => (runsOnce && hasRun(key) ? [key] : []))),
    ...(unhealthy === undefined ? {} : { unhealthy }),
  })
  for (const [index, group] of plan.groups.entries()) {
    if (!canGoOn(outcomes, signal) || index > lastGroup) break
    outcomes.push(...(await applyGroup(applying, group.changes, contested)))
    outcomes.push(...plan.failures.filter((failure) => failure.group === index).map(failedOutcome))
    if (!canGoOn(outcomes, signal)) break
    const isLater = index < lastGroup && plan.groups.slice(index + 1).some(({ changes }) => changes.length > 0)
    const health = await awaitGroup(applying, group, { pace, isLater })
    if (!health.healthy) return ended(health)
  }
  await store()
  if (canGoOn(outcomes, signal) && lastGroup >= plan.groups.length) {
    outcomes.push(...plan.failures.filter(({ group }) => group >= plan.groups.length).map(failedOutcome))
    outcomes.push(...(await pruneAll(applying, plan.deletionGroups)))
    await store()
  }
  return ended()
}

function canGoOn(outcomes: readonly Outcome[], signal: AbortSignal | undefined): boolean {
  return signal?.aborted !== true && outcomes.every(({ result }) => result !== 'refused' && result !== 'failed')
}

function failedOutcome({ object, code, message }: Plan['failures'][number]): Outcome {
  return { object, result: 'failed', code, message }
}

/** Adoptions that another Delivery wrote down too, meanwhile: neither takes the object. */
async function contestedAdoptions({ context, cluster, book }: Applying, plan: Plan): Promise<ReadonlySet<string>> {
  const adoptions = plan.groups.flatMap(({ changes }) => changes).filter(({ action }) => action === 'adopt')
  if (adoptions.length === 0) return new Set()
  const others = await otherDeliveries(cluster, context.delivery)
  const contested = adoptions.map(({ desired }) => desired.key).filter((key) => others.has(key))
  for (const key of contested) book.delete(key)
  return new Set(contested)
}
