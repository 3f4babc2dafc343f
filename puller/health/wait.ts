import { type Clock, systemClock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { explain } from './explain.ts'
import { follow, watchGroups } from './follow.ts'
import { type Health, HealthBoard } from './health-board.ts'
import type { LookOn } from './onlooker.ts'
import { rulesOf } from './rules.ts'

export type { Health, HealthNote } from './health-board.ts'

export type WaitOptions = {
  readonly signal?: AbortSignal
  readonly timeoutMs: number
  readonly clock?: Clock
  readonly lookOn?: LookOn | undefined
  /** Called when something changed, and no more often than every PROGRESS_MS: all that is waited for is in it. */
  readonly onProgress?: (health: Health & { readonly ready: number; readonly total: number }) => void
}

/**
 * Waits, by list and watch as the account, until every object is healthy or one has failed, time is up or `signal`
 * aborts; then says how it stands, and of workloads what their Pods say. Kinds without a notion of health are not asked for.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function waitHealthy(
  context: PlanContext,
  objects: readonly DesiredObject[],
  cluster: Cluster,
  { signal, timeoutMs, clock = systemClock, lookOn, onProgress }: WaitOptions,
): Promise<Health> {
  const rules = rulesOf(context)
  const watched = objects.filter(rules.isWatched)
  const board = new HealthBoard(watched, rules)
  if (watched.length === 0) return board.health()
  const stop = new AbortController()
  const ending = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal])
  const settled = new Promise<void>((resolve) => {
    ending.addEventListener('abort', () => resolve(), { once: true })
    if (ending.aborted) resolve()
    const tell = () => onProgress?.({ ...board.health(), ready: board.ready(), total: watched.length })
    const tellNowAndThen = throttled(clock, ending, tell)
    board.onChange = () => {
      if (!board.isSettled()) return tellNowAndThen()
      board.onChange = () => {}
      tell()
      resolve()
    }
  })
  const followers = watchGroups(watched).map((group) =>
    follow(context, cluster, group, board, ending, { clock, lookOn }),
  )
  try {
    await Promise.race([settled, clock.sleep(timeoutMs, ending), untilOneThrows(followers)])
  } finally {
    stop.abort()
    await Promise.allSettled(followers)
  }
  const health = board.health()
  return health.healthy || signal?.aborted === true ? health : explain(health, watched, context, cluster, signal)
}

const PROGRESS_MS = 100

/** At once where it was not done for a while, else once it was not, with what came meanwhile. */
function throttled(clock: Clock, signal: AbortSignal, work: () => void): () => void {
  let doneAtMs = Number.NEGATIVE_INFINITY
  let isDue = false
  const run = () => {
    isDue = false
    doneAtMs = clock.monotonicMs()
    work()
  }
  return () => {
    if (isDue || signal.aborted) return
    const leftMs = doneAtMs + PROGRESS_MS - clock.monotonicMs()
    if (leftMs <= 0) return run()
    isDue = true
    void clock.sleep(leftMs, signal).then(() => {
      if (!signal.aborted) run()
    })
  }
}

/** Never resolves; rejects with the first error. */
function untilOneThrows(running: readonly Promise<void>[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const one of running) one.catch(reject)
  })
}
