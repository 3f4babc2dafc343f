import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { waitGone } from '../health/gone.ts'
import { waitHealthy } from '../health/wait.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Waiter } from './applying.ts'

const TIMEOUT_MS = 60_000

/** Waits for a minute each time. */
export function plainWaiter(
  context: PlanContext,
  cluster: Cluster,
  clock: Clock,
  signal: AbortSignal | undefined,
): Waiter {
  const options = { timeoutMs: TIMEOUT_MS, clock, ...(signal !== undefined && { signal }) }
  return {
    signal,
    healthy: (objects) => waitHealthy(context, objects, cluster, options),
    gone: (objects) => waitGone(context.account, objects, cluster, options),
  }
}
