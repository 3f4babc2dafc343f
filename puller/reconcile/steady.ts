import { waitHealthy } from '../health/wait.ts'
import type { Plan } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Site } from '../site.ts'
import { ofHealth } from './await-health.ts'
import type { Job, Result } from './job.ts'

const STEADY_MS = 1_000

type Looking = Pick<Job, 'memory' | 'turn'> & {
  readonly site: Pick<Site, 'cluster' | 'clock'>
  readonly fetched: Pick<Job['fetched'], 'treeDigest'>
}

/** Nothing to do and nothing new to say: only health is looked at, in nobody's way, unless nothing changed that it may rest on. */
export async function steady(
  { site, fetched, memory, turn }: Looking,
  context: PlanContext,
  { desired }: Pick<Plan, 'desired'>,
): Promise<Result> {
  if (memory?.isWell(fetched.treeDigest) === true) return { kind: 'healthy', corrected: undefined }
  const how = { timeoutMs: STEADY_MS, signal: turn.signal, clock: site.clock, lookOn: memory?.tracker?.lookOn }
  const health = await turn.outside(() => waitHealthy(context, desired, site.cluster, how))
  if (health.healthy) memory?.wasWell(fetched.treeDigest, health)
  return turn.signal.aborted ? { kind: 'interrupted' } : ofHealth(health, undefined)
}
