import type { Ledger } from './ledger.ts'

/** The same ledger, for one turn: while it writes others may work, so that the heads of many are written at once (head-keeper.ts). */
export function besides(ledger: Ledger, turn: { outside<T>(work: () => Promise<T>): Promise<T> }): Ledger {
  return {
    get summary() {
      return ledger.summary
    },
    append: (facts) => turn.outside(() => ledger.append(facts)),
  }
}
