import type { Clock } from '../clock.ts'

export type Alarms = {
  /** Rings for a key after `ms`, once however often it is set until then, and no more often than every `everyMs`. */
  set(key: string, ms: number, everyMs?: number): void
  /** Forgets a key. */
  drop(key: string): void
}

/** Rings until `signal` aborts. What is set for sooner rings sooner. */
export function createAlarms(clock: Clock, signal: AbortSignal, ring: (key: string) => void): Alarms {
  const waiting = new Map<string, { atMs: number; readonly stop: AbortController }>()
  const rung = new Map<string, number>()
  const wait = async (key: string, ms: number, atMs: number): Promise<void> => {
    const stop = new AbortController()
    waiting.set(key, { atMs, stop })
    await clock.sleep(ms, AbortSignal.any([signal, stop.signal]))
    if (signal.aborted || stop.signal.aborted) return
    waiting.delete(key)
    rung.set(key, clock.monotonicMs())
    ring(key)
  }
  return {
    set: (key, ms, everyMs = 0) => {
      const nowMs = clock.monotonicMs()
      const atMs = Math.max(nowMs + ms, (rung.get(key) ?? Number.NEGATIVE_INFINITY) + everyMs)
      const before = waiting.get(key)
      if (before !== undefined && before.atMs <= atMs) return
      before?.stop.abort()
      void wait(key, atMs - nowMs, atMs)
    },
    drop: (key) => {
      waiting.get(key)?.stop.abort()
      waiting.delete(key)
      rung.delete(key)
    },
  }
}
