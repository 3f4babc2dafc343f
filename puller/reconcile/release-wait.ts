import type { Waiter } from '../apply/applying.ts'
import type { Clock } from '../clock.ts'
import { durationMs } from '../clock.ts'
import { versionOf } from '../cluster/version.ts'
import { waitGone } from '../health/gone.ts'
import { rulesOf } from '../health/rules.ts'
import { type Health, waitHealthy } from '../health/wait.ts'
import type { Delivery } from '../kinds.ts'
import type { Turn } from '../loop/queue.ts'
import type { Plan } from '../plan/plan.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Site } from '../site.ts'
import type { Job, Progress } from './job.ts'

/** Everything that is waited for while one release goes out: between its groups and in the end. */
export type ReleaseWait = Waiter & {
  readonly signal: AbortSignal
  /** Why it ended early, where it did: the Delivery was edited, something drifted, or a newer release is there. */
  readonly ended: () => 'interrupted' | 'superseded' | undefined
  /** To be called when nothing is waited for any more. */
  readonly close: () => Promise<void>
}

/** What of a job is needed to wait for it. */
type Waiting = Pick<Job, 'newer' | 'progress' | 'memory'> & {
  readonly site: Pick<Site, 'clock' | 'cluster' | 'waitTimeoutMs' | 'observe'>
  readonly turn: Pick<Turn, 'signal' | 'outside'>
  readonly delivery: { readonly spec: Pick<Delivery['spec'], 'timeout'> }
}

export type WaitHow = {
  /** The status goes on saying what it says. */
  readonly quiet?: boolean
}

/**
 * Looks for something newer from now on, and waits in nobody's way, for as long as the release may take in all: `spec.timeout`, or what the
 * puller was told. What is waited for stands in the status as it changes.
 */
export function beginWait(
  job: Waiting,
  context: PlanContext,
  plan: Pick<Plan, 'desired' | 'unchanged'>,
  { quiet = false }: WaitHow = {},
): ReleaseWait {
  const { site, turn, delivery } = job
  const { clock, cluster } = site
  const stop = new AbortController()
  const signal = AbortSignal.any([turn.signal, stop.signal])
  let newer: string | undefined
  let hasDrifted = false
  // Not waited for in the end: a registry that stalls must not keep back that a release is healthy.
  void job.newer(stop.signal).then((digest) => {
    newer = digest
    if (digest !== undefined) stop.abort()
  })
  let leftMs = delivery.spec.timeout === undefined ? site.waitTimeoutMs : durationMs(delivery.spec.timeout)
  const rules = rulesOf(context)
  const watched = plan.desired.filter(rules.isWatched)
  const total = watched.length
  const lookOn = job.memory?.tracker?.lookOn
  const paced = pace(clock, (progress) => (quiet ? Promise.resolve() : sayProgress(job, progress)))
  // What is as it was when all was well, and has not stirred since, is well.
  const spared = job.memory?.wasAllWell() === true ? new Set(plan.unchanged.map(({ key }) => key)) : new Set<string>()
  let well = new Set<string>()
  /** In which version the answer to our own write said that it is well. */
  const settled = new Map<string, number>()
  const timed = async <T>(work: (timeoutMs: number) => Promise<T>): Promise<T> => {
    const over = job.memory?.tracker?.whileWaiting(() => {
      hasDrifted = true
      stop.abort()
    })
    // Coming back to work does not count.
    const counted = async (): Promise<T> => {
      const sinceMs = clock.monotonicMs()
      try {
        return await work(Math.max(0, leftMs))
      } finally {
        const tookMs = Math.max(0, clock.monotonicMs() - sinceMs)
        leftMs -= tookMs
        site.observe?.({ kind: 'stage', stage: 'wait', seconds: tookMs / 1000 })
      }
    }
    try {
      return await turn.outside(counted)
    } finally {
      over?.()
      await paced.settled()
    }
  }
  return {
    signal,
    ended: () =>
      turn.signal.aborted ? 'interrupted' : newer !== undefined ? 'superseded' : hasDrifted ? 'interrupted' : undefined,
    close: async () => {
      stop.abort()
      await paced.settled()
    },
    healthy: async (all) => {
      const objects = all.filter(({ key }) => !spared.has(key))
      const before = new Set([...well].filter((key) => !objects.some((one) => one.key === key))).size
      const besides = before + watched.filter(({ key }) => spared.has(key)).length
      const onProgress = (health: Health & { readonly ready: number }) =>
        paced.say({ ready: besides + health.ready, total, waiting: health.waiting.map(({ object }) => object) })
      const health = await timed((timeoutMs) =>
        waitHealthy(context, objects, cluster, { signal, timeoutMs, clock, onProgress, lookOn }),
      )
      if (health.healthy) well = new Set([...well, ...objects.map(({ key }) => key)])
      return { ...health, versions: new Map([...settled, ...health.versions]) }
    },
    wrote: (desired, object) => {
      if (!rules.isSettled(desired, object)) return
      spared.add(desired.key)
      settled.set(desired.key, versionOf(object))
    },
    gone: (objects) => timed((timeoutMs) => waitGone(context.account, objects, cluster, { signal, timeoutMs, clock })),
  }
}

const WAITING_LISTED_MAX = 10

async function sayProgress(job: Pick<Job, 'progress'>, { ready, total, waiting }: Progress): Promise<void> {
  const listed = waiting.slice(0, WAITING_LISTED_MAX)
  const more = waiting.length > listed.length ? ` and ${waiting.length - listed.length} more` : ''
  const message = `${ready} of ${total} ready, waiting for ${listed.join(', ')}${more}`
  await job.progress('Progressing', message, { ready, total, waiting: listed })
}

const PROGRESS_MS = 1_000

export type Paced = { say(progress: Progress): void; settled(): Promise<void> }

/** Says the newest at most every second, one after another; what is over within the first second is not said at all. */
export function pace(clock: Clock, write: (progress: Progress) => Promise<void>): Paced {
  let next: Progress | undefined
  let running: Promise<void> | undefined
  let stop = new AbortController()
  const run = async () => {
    while (next !== undefined) {
      await clock.sleep(PROGRESS_MS, stop.signal)
      const now = next
      next = undefined
      if (stop.signal.aborted) return
      // What cannot be said now is said with the outcome.
      await write(now).catch(() => {})
    }
  }
  return {
    say: (progress) => {
      if (progress.waiting.length === 0) return
      next = progress
      running ??= run().finally(() => {
        running = undefined
      })
    },
    settled: async () => {
      stop.abort()
      await running
      next = undefined
      stop = new AbortController()
    },
  }
}
