import type { Clock } from '../clock.ts'

/** How long what was forbidden waits for the API server to be ready. One that is not by then is taken as it is. */
const READY_WITHIN_MS = 20_000
const ASK_AGAIN_MS = 200

/**
 * Whether a 403 can be believed. An API server that has just begun answers before it knows the roles, and forbids everything to everybody
 * for a moment: kube-apiserver listens first, and is ready, as `/readyz` says, when its informers are synced. So a 403 at the beginning,
 * or after a connection or a watch ended, counts only once the server has said that it is ready.
 */
export class Standing {
  readonly #askReady: () => Promise<boolean>
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>
  /** How many connections and watches have ended. */
  #ends = 0
  /** How many had, when the server last said that it is ready. */
  #readyAt: number | undefined
  #asked: { readonly atMs: number; readonly answer: Promise<void> } | undefined

  /** `askReady`: whether the server is ready; false, too, where it does not answer. */
  constructor(askReady: () => Promise<boolean>, clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#askReady = askReady
    this.#clock = clock
  }

  /** A connection or a watch ended: who answers from now on may have just begun. */
  ended(): void {
    this.#ends += 1
  }

  /** Known to be ready: what it forbids now is forbidden. */
  isSure(): boolean {
    return this.#readyAt === this.#ends
  }

  /** Waits until the server is ready, for 20 s at most, or until `signal` aborts. */
  async becomeSure(signal?: AbortSignal): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + READY_WITHIN_MS
    while (!this.isSure() && signal?.aborted !== true) {
      await this.#ask()
      if (this.isSure()) return
      if (this.#clock.monotonicMs() >= untilMs) this.#readyAt = this.#ends
      else await this.#clock.sleep(ASK_AGAIN_MS, signal)
    }
  }

  /** One asks for all that wait. */
  #ask(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#asked !== undefined && nowMs - this.#asked.atMs < ASK_AGAIN_MS) return this.#asked.answer
    const ends = this.#ends
    const answer = this.#askReady().then((isReady) => {
      if (isReady) this.#readyAt = ends
    })
    this.#asked = { atMs: nowMs, answer }
    return answer
  }
}
