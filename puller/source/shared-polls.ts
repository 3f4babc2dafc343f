import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'

type Poll<T> = {
  readonly askedAtMs: number
  readonly answer: Promise<T>
  readonly stop: AbortController
  waiting: number
  answered: boolean
}

/** Questions that are asked once for all who ask them at about the same time; each may give up, and with the last the question ends. */
export class SharedPolls<T> {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #polls = new Map<string, Poll<T>>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock
  }

  /** The answer that somebody got who asked no earlier than `sinceMs`, else that of `work`. A failure is not shared with those who ask later. */
  async ask(
    name: string,
    { sinceMs, signal }: { readonly sinceMs: number; readonly signal: AbortSignal },
    work: (stop: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const known = this.#polls.get(name)
    // A clock that was set back would let an old answer count as a new one.
    const isNew = known !== undefined && known.askedAtMs >= sinceMs && known.askedAtMs <= this.#clock.nowMs()
    const poll = isNew ? known : this.#begin(name, work)
    poll.waiting += 1
    try {
      return await orGiveUp(name, signal, poll.answer)
    } finally {
      poll.waiting -= 1
      if (poll.waiting === 0 && !poll.answered) {
        this.#drop(name, poll)
        poll.stop.abort()
      }
    }
  }

  /** Lets go of answers to what was asked before. */
  forget(beforeMs: number): void {
    for (const [name, poll] of this.#polls) if (poll.answered && poll.askedAtMs < beforeMs) this.#polls.delete(name)
  }

  #begin(name: string, work: (stop: AbortSignal) => Promise<T>): Poll<T> {
    const stop = new AbortController()
    const poll = { askedAtMs: this.#clock.nowMs(), answer: work(stop.signal), stop, waiting: 0, answered: false }
    this.#polls.set(name, poll)
    const answered = () => {
      poll.answered = true
    }
    poll.answer.then(answered, () => this.#drop(name, poll))
    return poll
  }

  #drop(name: string, poll: Poll<T>): void {
    if (this.#polls.get(name) === poll) this.#polls.delete(name)
  }
}

/** What is waited for, until the signal; it may go on for others. @throws WaybillError REGISTRY_UNREACHABLE */
export async function orGiveUp<T>(name: string, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: givenUp, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(new WaybillError('REGISTRY_UNREACHABLE', `${name}: not waited for any more`))
  if (signal.aborted) giveUp()
  else signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([work, givenUp])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
