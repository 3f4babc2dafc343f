import { type Clock, NOT_NEEDED } from '../clock.ts'

/** One run's place among those that work. */
export type Place = {
  /** Waits without holding the place that others work in. */
  outside<T>(work: () => Promise<T>): Promise<T>
  /** Gives it back. Once, at the end. */
  leave(): void
}

export type PlacesOptions = {
  readonly clock: Clock
  /** Runs at a time. */
  readonly max: number
  /** Who works this long in one go goes on without a place: something that hangs must not keep others from working. */
  readonly slowMs?: number
  /** So many, beside `max`. */
  readonly slowMax?: number
}

/** What works longer in one go has ten thousand objects, or an API before it that does not answer. */
const SLOW_MS = 10_000
const SLOW_TIMES = 4

/** Places to work in: first come, first served, and who comes back before who comes: what is begun gets done. */
export class Places {
  readonly #clock: Clock
  readonly #max: number
  readonly #slowMs: number
  readonly #slowMax: number
  readonly #returning: (() => void)[] = []
  readonly #waiting: (() => void)[] = []
  #busy = 0
  #slow = 0

  constructor({ clock, max, slowMs = SLOW_MS, slowMax = SLOW_TIMES * max }: PlacesOptions) {
    this.#clock = clock
    this.#max = max
    this.#slowMs = slowMs
    this.#slowMax = slowMax
  }

  async take(): Promise<Place> {
    let end: (() => void) | undefined = await this.#enter(this.#waiting)
    let outside = 0
    const leave = () => {
      end?.()
      end = undefined
    }
    return {
      outside: async (work) => {
        outside += 1
        leave()
        try {
          return await work()
        } finally {
          outside -= 1
          const again = outside === 0 ? await this.#enter(this.#returning) : undefined
          // Meanwhile it may have gone outside again, or come in another way.
          if (outside > 0 || end !== undefined) again?.()
          else end = again
        }
      },
      leave,
    }
  }

  /** Waits for a place, and says how it is given back. */
  async #enter(line: (() => void)[]): Promise<() => void> {
    if (this.#busy >= this.#max) await new Promise<void>((resolve) => line.push(resolve))
    else this.#busy += 1
    const left = new AbortController()
    let isSlow = false
    void this.#clock.sleep(this.#slowMs, left.signal).then(() => {
      if (left.signal.aborted || this.#slow >= this.#slowMax) return
      isSlow = true
      this.#slow += 1
      this.#give()
    })
    return () => {
      left.abort(NOT_NEEDED)
      if (isSlow) this.#slow -= 1
      else this.#give()
    }
  }

  #give(): void {
    const next = this.#returning.shift() ?? this.#waiting.shift()
    if (next === undefined) this.#busy -= 1
    else next()
  }
}
