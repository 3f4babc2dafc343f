/** Time as the puller takes it, so that tests can pass their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since a moment that means nothing, which only go forward, whatever is done to the clock on the wall: for how long something takes. */
  monotonicMs(): number
  /** Ends early, without an error, when `signal` aborts; after 24 days at the latest. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** 0 ≤ x < 1, for jitter. */
  random(): number
}

/** Node takes a longer time for none at all. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Why a sleep is ended that nobody waits for any more: a signal that is given no reason makes an error for one. */
export const NOT_NEEDED = 'not needed any more'

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // Not node:timers/promises, which makes an error with a stack for each sleep that ends early: there is one for each request.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve()
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(ms, TIMER_MS_MAX))
      signal?.addEventListener('abort', end)
    }),
  random: () => Math.random(),
}

/** `2026-11-21T10:00:00Z`: UTC, whole seconds, as Kubernetes writes times. */
export function timestamp(clock: Pick<Clock, 'nowMs'>): string {
  return `${new Date(clock.nowMs()).toISOString().slice(0, 19)}Z`
}

/** `30s` → 30000. Only for what `durationSchema` accepted. */
export function durationMs(text: string): number {
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }[text.slice(-1)] ?? 1000
  return Number(text.slice(0, -1)) * unit
}

/** Between 90 % and 110 % of `ms`, so that what started together does not stay together. */
export function withJitter(ms: number, clock: Clock): number {
  return Math.round(ms * (0.9 + 0.2 * clock.random()))
}
