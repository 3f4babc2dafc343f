import { durationMs } from '../clock.ts'

/** More corrections than this in a minute: two managers fight. */
export const CORRECTIONS_MAX = 5
const WINDOW_MS = durationMs('1m')
const PAUSE_MAX_MS = durationMs('1h')

type Fight = { corrections: number[]; pauses: number; untilMs: number; manager: string | undefined }

/** An object that is left alone for a while, and who the other is, as managedFields name him. */
export type Contested = { readonly key: string; readonly manager: string | undefined; readonly untilMs: number }

/**
 * Counts the corrections of each object. One that needed too many in a minute is left alone for 1, 2, 4… minutes, an hour at most; one
 * that was let be for as long as it was last left alone begins anew.
 */
export class Contest {
  readonly #fights = new Map<string, Fight>()

  /** One more correction of what `manager` took. */
  corrected(key: string, manager: string | undefined, nowMs: number): void {
    const fight = this.#fights.get(key) ?? { corrections: [], pauses: 0, untilMs: 0, manager }
    this.#fights.set(key, fight)
    fight.manager = manager ?? fight.manager
    if (fight.pauses > 0 && nowMs - fight.untilMs > pauseMs(fight.pauses)) fight.pauses = 0
    fight.corrections = [...fight.corrections.filter((atMs) => nowMs - atMs < WINDOW_MS), nowMs]
    // Who took it again right after a pause fights on: one correction for each pause.
    if (fight.pauses === 0 && fight.corrections.length <= CORRECTIONS_MAX) return
    fight.pauses += 1
    fight.untilMs = nowMs + pauseMs(fight.pauses)
    fight.corrections = []
  }

  isContested(key: string, nowMs: number): boolean {
    const fight = this.#fights.get(key)
    return fight !== undefined && nowMs < fight.untilMs
  }

  contested(nowMs: number): readonly Contested[] {
    return [...this.#fights].flatMap(([key, { manager, untilMs }]) =>
      nowMs < untilMs ? [{ key, manager, untilMs }] : [],
    )
  }

  /** Forgets what is long over. */
  tidy(nowMs: number): void {
    for (const [key, { corrections, untilMs }] of this.#fights)
      if (nowMs - Math.max(untilMs, corrections.at(-1) ?? 0) > PAUSE_MAX_MS) this.#fights.delete(key)
  }
}

function pauseMs(pauses: number): number {
  return Math.min(PAUSE_MAX_MS, WINDOW_MS * 2 ** Math.min(pauses - 1, 10))
}
