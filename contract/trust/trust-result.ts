import type { Digest } from '../digest.ts'
import { WaybillError } from '../errors.ts'
import type { Signer, TrustCheck, TrustExplanation, Trusted, TrustQuery } from './trust-answer.ts'
import type { PolicyVerdict } from './trust-judge.ts'
import type { Accepted } from './trust-role.ts'

/** Joins the verdicts of policies that all accepted. What counts is what every one of them takes. */
export function believe(
  verdicts: readonly PolicyVerdict[],
  query: TrustQuery,
  warnings: readonly string[],
): TrustExplanation {
  const checks = verdicts.flatMap((verdict) => verdict.checks)
  const promotions = agreed(verdicts.map((verdict) => verdict.promotions))
  const promotion = promotions.map(({ value }) => value).sort((a, b) => b.sequence - a.sequence)[0]
  if (query.channel !== undefined && promotion === undefined)
    return disagreement(checks, warnings, `the policies agree on no promotion into ${query.channel}`)
  const releases = agreed(
    verdicts.filter(({ policy }) => policy.spec.require.release !== undefined).map((verdict) => verdict.releases),
  )
  const provenance = verdicts.flatMap((verdict) => verdict.provenances)[0]
  const counted: readonly Accepted<unknown>[] = [
    ...verdicts.flatMap((verdict) => verdict.signatures),
    ...verdicts.flatMap((verdict) => verdict.provenances),
    ...promotions.filter(({ value }) => value === promotion || JSON.stringify(value) === JSON.stringify(promotion)),
    ...releases,
  ]
  const trusted: Trusted = {
    policies: verdicts.map(({ policy: { name, generation } }) =>
      generation === undefined ? { name } : { name, generation },
    ),
    signers: signersOf(counted),
    ...(provenance === undefined ? {} : { provenance: provenance.value }),
    ...(promotion === undefined ? {} : { promotion }),
    releases: [...new Set(releases.map(({ value }) => value))].sort(),
    usedBundles: [...new Set<Digest>(counted.map(({ bundle }) => bundle.digest))].sort(),
    checks,
    warnings,
  }
  return { checks, warnings, trusted }
}

/** The statements whose content every list has, from all lists. */
function agreed<T>(lists: readonly (readonly Accepted<T>[])[]): readonly Accepted<T>[] {
  const said = lists.map((list) => new Set(list.map(({ value }) => JSON.stringify(value))))
  return lists.flat().filter(({ value }) => said.every((set) => set.has(JSON.stringify(value))))
}

function signersOf(counted: readonly Accepted<unknown>[]): readonly Signer[] {
  const each = new Map(counted.map(({ signer }) => [JSON.stringify(signer), signer]))
  return [...each.values()]
}

function disagreement(checks: readonly TrustCheck[], warnings: readonly string[], detail: string): TrustExplanation {
  const failed: TrustCheck = { policy: '', check: 'promotion', ok: false, detail, code: 'PROMOTION_MISSING' }
  return { checks: [...checks, failed], warnings, error: new WaybillError('PROMOTION_MISSING', detail) }
}
