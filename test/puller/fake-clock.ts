import { setImmediate as tick } from 'node:timers/promises'
import type { Clock } from '../../puller/clock.ts'

/** A clock that moves when it is told to. Without jitter. */
export class FakeClock implements Clock {
  #now = 0
  #wallMs = 0
  #sleepers: { atMs: number; wake: () => void }[] = []

  nowMs(): number {
    return this.#now + this.#wallMs
  }
  monotonicMs(): number {
    return this.#now
  }
  /** Somebody sets the clock on the wall. Nobody sleeps longer or shorter for it. */
  setWallBy(ms: number): void {
    this.#wallMs += ms
  }
  random(): number {
    return 0.5
  }
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return
    await new Promise<void>((resolve) => {
      const sleeper = { atMs: this.#now + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper)
        resolve()
      })
    })
  }
  /** Wakes sleepers in order, each at its time, and lets what they start come to rest. */
  async runUntil(ms: number): Promise<void> {
    for (;;) {
      for (let i = 0; i < 20; i++) await tick()
      const next = this.#sleepers.sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > ms) break
      this.#sleepers.shift()
      this.#now = Math.max(this.#now, next.atMs)
      next.wake()
    }
    this.#now = ms
  }
}
