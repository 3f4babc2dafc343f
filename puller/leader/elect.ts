import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'
import { claimed, givenBack, holderOf, type LeaseTimes, mayTake, RETRY_JITTER, type Sighting, sight } from './lease.ts'
import type { LeaseStore } from './lease-store.ts'

/** The time during which we lead. It ends once, and does not come back. */
export type Term = {
  /** Aborts as soon as we no longer lead: another took the Lease, or it was not renewed in time. */
  readonly lost: AbortSignal
  /** Asked anew before each write: a process that was stopped for a while may learn of its loss before its timers do. */
  holds(): boolean
  /** Stops renewing, and gives the Lease back where it is still ours. Never throws. */
  resign(): Promise<void>
}

export type Candidacy = {
  readonly store: LeaseStore
  /** No two processes have the same. */
  readonly identity: string
  readonly times: LeaseTimes
  readonly clock: Clock
  /** Another leads now. */
  readonly onOther?: (holder: string) => void
  /** The Lease could not be read or written; it is tried again. */
  readonly onTrouble?: (error: unknown) => void
}

/**
 * Waits until we lead, or `signal` aborts (then undefined). As client-go does: a Lease counts as left when it stood still,
 * by our own monotonic clock, for as long as it says that it lasts. Nobody's wall clock is believed, our own included.
 */
export async function stand(candidacy: Candidacy, signal: AbortSignal): Promise<Term | undefined> {
  const { clock, times } = candidacy
  const race = new Race(candidacy)
  while (!signal.aborted) {
    if (await race.attempt(signal)) return race.begin()
    await clock.sleep(times.retryMs * (1 + RETRY_JITTER * clock.random()), signal)
  }
  return undefined
}

class Race {
  readonly #candidacy: Candidacy
  #seen: Sighting | undefined
  #told = ''
  /** When the request was sent that last made the Lease ours. */
  #renewedAtMs = Number.NEGATIVE_INFINITY

  constructor(candidacy: Candidacy) {
    this.#candidacy = candidacy
  }

  /** One try, and where somebody only touched what we hold, another. True where the Lease is ours now. Never throws. */
  async attempt(signal: AbortSignal): Promise<boolean> {
    const { clock, times, identity, onTrouble } = this.#candidacy
    const late = new AbortController()
    const end = AbortSignal.any([signal, late.signal])
    // A connection that hangs must leave time for another one.
    void clock.sleep(times.renewDeadlineMs / 2, end).then(() => late.abort())
    try {
      return (await this.#take(end)) || (this.#holder() === identity && (await this.#take(end)))
    } catch (error) {
      if (!signal.aborted) onTrouble?.(error)
      return false
    } finally {
      late.abort()
    }
  }

  async #take(signal: AbortSignal): Promise<boolean> {
    const { store, identity, times, clock, onOther } = this.#candidacy
    // Its holder knows what is there, and reads it only when that was wrong.
    if (this.#holder() !== identity) {
      const lease = await store.read(signal)
      this.#seen = lease === undefined ? undefined : sight(this.#seen, lease, clock.monotonicMs())
    }
    if (this.#seen !== undefined && !mayTake(this.#seen, identity, clock.monotonicMs(), times)) {
      const holder = this.#holder() ?? ''
      if (holder !== this.#told) onOther?.(holder)
      this.#told = holder
      return false
    }
    const lease = this.#seen?.lease
    const sentAtMs = clock.monotonicMs()
    const claim = claimed(lease, { ...store, identity, times, wallMs: clock.nowMs() })
    const written = await (lease === undefined ? store.create(claim, signal) : store.replace(claim, signal))
    if (written === 'conflict') {
      const now = await store.read(signal)
      this.#seen = now === undefined ? undefined : sight(this.#seen, now, clock.monotonicMs())
      return false
    }
    this.#seen = sight(this.#seen, written, sentAtMs)
    this.#renewedAtMs = sentAtMs
    return true
  }

  #holder(): string | undefined {
    return this.#seen === undefined ? undefined : holderOf(this.#seen.lease)
  }

  begin(): Term {
    const { clock, times, identity } = this.#candidacy
    const lost = new AbortController()
    const resigned = new AbortController()
    const over = AbortSignal.any([lost.signal, resigned.signal])
    const leftMs = () => this.#renewedAtMs + times.renewDeadlineMs - clock.monotonicMs()
    const holds = () => {
      if (!over.aborted && leftMs() <= 0) lost.abort()
      return !over.aborted
    }
    const watchdog = async () => {
      while (holds()) await clock.sleep(Math.max(1, leftMs()), over)
    }
    const renew = async () => {
      while (!over.aborted) {
        await clock.sleep(times.retryMs, over)
        // What was sent is waited for, so that who resigns knows which version of the Lease he gives back.
        if (!over.aborted && !(await this.attempt(lost.signal)) && this.#isOthers(identity)) lost.abort()
      }
    }
    const running = Promise.all([watchdog(), renew()])
    return {
      lost: lost.signal,
      holds,
      resign: async () => {
        const isOurs = holds()
        resigned.abort()
        await running
        const lease = this.#seen?.lease
        if (isOurs && lease !== undefined) await this.#giveBack(lease)
      },
    }
  }

  #isOthers(identity: string): boolean {
    const holder = this.#holder()
    return holder !== undefined && holder !== '' && holder !== identity
  }

  async #giveBack(lease: JsonObject): Promise<void> {
    const { store, clock, times, onTrouble } = this.#candidacy
    const late = new AbortController()
    void clock.sleep(times.retryMs, late.signal).then(() => late.abort())
    try {
      await store.replace(givenBack(lease, clock.nowMs()), late.signal)
    } catch (error) {
      onTrouble?.(error)
    } finally {
      late.abort()
    }
  }
}
