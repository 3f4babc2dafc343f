import { type Clock, withJitter } from '../clock.ts'
import { Places } from './places.ts'

/** What a run of one key leads to. */
export type NextRun =
  /** Look again after this time, give or take a tenth. */
  | { readonly kind: 'after'; readonly ms: number }
  /** Look again after this time, and not before it. */
  | { readonly kind: 'at'; readonly ms: number }
  /**
   * It failed: look again soon, then less and less often, but at least every `maxMs`; and not before `ms`, where the other side asked for that.
   * `isAnswer`: it was refused, and until others change something it will be; who asks once has his answer.
   */
  | { readonly kind: 'backoff'; readonly ms?: number; readonly maxMs?: number; readonly isAnswer?: true }
  /** Not again, unless asked. */
  | { readonly kind: 'never' }

export type Turn = {
  /** Aborts when this run shall give way: to a newer wish, or because the queue ends. */
  readonly signal: AbortSignal
  /** The attempt, from 1; starts again after a run that did not fail. */
  readonly attempt: number
  /** When this run was asked for, in the clock's milliseconds: nothing found out before then counts as new. */
  readonly askedAtMs: number
  /** Waits without holding one of the places that others work in. */
  outside<T>(work: () => Promise<T>): Promise<T>
}

export type QueueOptions = {
  readonly parallel: number
  readonly clock: Clock
  readonly run: (key: string, turn: Turn) => Promise<NextRun>
  /** A run that threw: a fault of ours. It is tried again as one that failed. */
  readonly onFault: (key: string, error: unknown) => void
  readonly backoffMinMs?: number
  readonly backoffMaxMs?: number
}

export interface Queue {
  /** Runs a key as soon as there is a place; when it is running, once more after that. */
  soon(key: string): void
  /** As `soon`, and what runs now is told to give way. */
  interrupt(key: string): void
  /** Forgets a key, and tells what runs to give way. */
  drop(key: string): void
  /** How many keys wait for a place, and how many run; what waits outside counts as running. */
  readonly counts: () => { readonly waiting: number; readonly running: number }
  /** Ends: no new runs, those that run are told to give way. Resolves when the last is over. */
  end(): Promise<void>
}

type Entry = {
  waiting: boolean
  again: boolean
  dropped: boolean
  failures: number
  askedAtMs: number
  running?: AbortController | undefined
  timer?: AbortController | undefined
}

/** Timers may be this much early. */
const TIMER_MS = 20

/** One run per key at a time, at most `parallel` in all (and those that hang: places.ts), first come first served; each key has its own pace after it failed. */
export function createQueue(options: QueueOptions): Queue {
  const { clock, parallel, backoffMinMs = 1_000, backoffMaxMs = 300_000 } = options
  const entries = new Map<string, Entry>()
  const places = new Places({ clock, max: parallel })
  let ended = false
  const over = new Set<Promise<void>>()

  const schedule = (key: string, entry: Entry, ms: number): void => {
    const timer = new AbortController()
    entry.timer = timer
    clock
      .sleep(ms, timer.signal)
      .then(() => {
        if (!timer.signal.aborted) start(key, entry)
      })
      .catch((error) => options.onFault(key, error))
  }
  const start = (key: string, entry: Entry): void => {
    if (ended || entry.waiting || entry.dropped) return
    entry.timer?.abort()
    if (entry.running !== undefined) {
      entry.again = true
      return
    }
    entry.waiting = true
    const run = turn(key, entry).finally(() => over.delete(run))
    over.add(run)
  }
  const turn = async (key: string, entry: Entry): Promise<void> => {
    const place = await places.take()
    entry.waiting = false
    const running = new AbortController()
    entry.running = running
    entry.again = false
    let next: NextRun = { kind: 'never' }
    try {
      if (!ended && !entry.dropped)
        next = await options.run(key, {
          signal: running.signal,
          attempt: entry.failures + 1,
          askedAtMs: entry.askedAtMs,
          outside: place.outside,
        })
    } catch (error) {
      options.onFault(key, error)
      next = { kind: 'backoff' }
    } finally {
      entry.running = undefined
      place.leave()
    }
    after(key, entry, next)
  }
  const after = (key: string, entry: Entry, next: NextRun): void => {
    if (entry.dropped && entries.get(key) === entry) entries.delete(key)
    if (ended || entry.dropped) return
    entry.failures = next.kind === 'backoff' ? entry.failures + 1 : 0
    if (entry.again) start(key, entry)
    else if (next.kind !== 'never') {
      const ms = next.kind === 'backoff' ? backoffMs(entry.failures, next) : next.ms
      schedule(key, entry, next.kind === 'at' ? ms + TIMER_MS : withJitter(ms, clock))
    }
  }
  const backoffMs = (failures: number, { ms = 0, maxMs = backoffMaxMs }: { ms?: number; maxMs?: number }) =>
    Math.max(ms, backoffMinMs, Math.min(maxMs, backoffMaxMs, backoffMinMs * 2 ** Math.min(failures - 1, 20)))
  const entryOf = (key: string): Entry => {
    const known = entries.get(key)
    if (known !== undefined && !known.dropped) return known
    const entry: Entry = { waiting: false, again: false, dropped: false, failures: 0, askedAtMs: 0 }
    // A key that comes back while its last run still ends waits for that run.
    if (known?.running !== undefined) {
      known.dropped = false
      return known
    }
    entries.set(key, entry)
    return entry
  }
  const soon = (key: string): void => {
    const entry = entryOf(key)
    entry.askedAtMs = clock.nowMs()
    start(key, entry)
  }
  return {
    soon,
    interrupt: (key) => {
      entries.get(key)?.running?.abort()
      const entry = entryOf(key)
      entry.failures = 0
      soon(key)
    },
    drop: (key) => {
      const entry = entries.get(key)
      if (entry === undefined) return
      entry.dropped = true
      entry.timer?.abort()
      entry.running?.abort()
      if (entry.running === undefined) entries.delete(key)
    },
    counts: () => {
      const all = [...entries.values()]
      return {
        waiting: all.filter(({ waiting }) => waiting).length,
        running: all.filter(({ running }) => running !== undefined).length,
      }
    },
    end: async () => {
      ended = true
      for (const entry of entries.values()) {
        entry.timer?.abort()
        entry.running?.abort()
      }
      await Promise.all(over)
    },
  }
}
