import { type Digest, parseDigest } from '../../contract/digest.ts'
import type { Delivery } from '../kinds.ts'
import { basisOf } from '../reconcile/facts.ts'
import { currentTarget } from '../reconcile/keep.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import { isApplied } from '../records/ledger-summary.ts'
import { environmentOf, sourceOf, verifyTarget } from '../source/resolve.ts'
import type { VerifyTarget } from '../source/verify.ts'

/** One artifact that a standby holds ready, and the environment of it. */
export type Held = { readonly target: VerifyTarget; readonly environment: string }

/** Digests that ran well before the one that runs: what one goes back to. */
const EARLIER_MAX = 3

/** What a Delivery may need with the registry down: where it is held, what runs or was begun, the last few that were well. Pure. */
export function heldOf(delivery: Delivery, summary: LedgerSummary): readonly Held[] {
  const { hold } = delivery.spec
  const holds: Held[] = []
  if (hold !== undefined) {
    const resolved = { ...sourceOf(delivery.spec), via: 'hold', digest: parseDigest(hold.digest) } as const
    const target = verifyTarget(resolved, (digest) => summary.ran.has(parseDigest(digest)))
    holds.push({ target, environment: environmentOf(delivery.spec) })
  }
  return [...holds, ...ran(summary).map((digest) => asChosen(delivery, summary, digest))]
}

function ran(summary: LedgerSummary): readonly Digest[] {
  const now = digests([summary.current, summary.openIntent?.digest, summary.applied?.digest])
  const well = digests(
    summary.records
      .filter(isApplied)
      .map(({ digest }) => digest)
      .reverse(),
  )
  return [...now, ...well.filter((digest) => !now.includes(digest)).slice(0, EARLIER_MAX)]
}

function digests(list: readonly (string | undefined)[]): readonly Digest[] {
  return [...new Set(list.flatMap((digest) => (digest === undefined ? [] : [parseDigest(digest)])))]
}

function asChosen(delivery: Delivery, summary: LedgerSummary, digest: Digest): Held {
  const basis = basisOf(summary, digest)
  return {
    target: currentTarget({ delivery }, digest, basis),
    environment: basis?.environment ?? environmentOf(delivery.spec),
  }
}
