import { type Fault, WaybillError } from '../errors.ts'
import type { TrustCheck, TrustExplanation, Trusted, TrustQuery } from './trust-answer.ts'
import { gatherEvidence, signerFinder } from './trust-evidence.ts'
import { judgePolicy, type PolicyVerdict } from './trust-judge.ts'
import { repositoryMatches, type TrustPolicy } from './trust-policy.ts'
import { believe } from './trust-result.ts'

/** As `evaluateTrust`, but goes on after a refusal and gives every verdict. Never throws for what a bundle holds. */
export function explainTrust(
  policies: readonly TrustPolicy[],
  query: TrustQuery,
  bundles: readonly Uint8Array[],
): TrustExplanation {
  const { repository, canonical } = query
  if (!isCovered(policies, canonical)) return unmatched(policies, canonical)
  const evidence = gatherEvidence(bundles)
  const find = signerFinder()
  const verdicts = policies
    .filter((policy) => covers(policy, canonical) || covers(policy, repository))
    .map((policy) => judgePolicy(policy, query, evidence, find))
  const refused = verdicts.flatMap(({ checks }) => checks.filter(({ ok }) => !ok))
  if (refused.length > 0) return refusal(verdicts, refused, evidence.warnings)
  return believe(verdicts, query, evidence.warnings)
}

/**
 * Holds an artifact's bundles against every policy that matches. Pure: no clock, no network.
 * @throws WaybillError one code for each kind of refusal (contract/errors.ts, trust)
 */
export function evaluateTrust(
  policies: readonly TrustPolicy[],
  query: TrustQuery,
  bundles: readonly Uint8Array[],
): Trusted {
  const { trusted, error } = explainTrust(policies, query, bundles)
  if (trusted === undefined) throw error ?? new WaybillError('INTERNAL', 'trust was neither given nor refused')
  return trusted
}

function isCovered(policies: readonly TrustPolicy[], canonical: string): boolean {
  return policies.some((policy) => covers(policy, canonical))
}

/**
 * Somebody said whom to trust for this package (`host/path` of its canonical repository): before that, nobody is asked for it.
 * @throws WaybillError POLICY_MISSING
 */
export function requireCovered(policies: readonly TrustPolicy[], canonical: string): void {
  if (!isCovered(policies, canonical)) throw missing(policies, canonical)
}

/**
 * Every policy that covers the package lets copies of it be read from this place (`host/path`), where that is not the package's own: before that,
 * nobody is asked there.
 * @throws WaybillError MIRROR_UNTRUSTED
 */
export function requireMirror(
  policies: readonly TrustPolicy[],
  { repository, canonical }: Pick<TrustQuery, 'repository' | 'canonical'>,
): void {
  if (repository === canonical) return
  const isAllowed = ({ spec: { mirrors } }: TrustPolicy) =>
    mirrors === undefined || mirrors.some((pattern) => repositoryMatches(pattern, repository))
  const against = policies.find((policy) => covers(policy, canonical) && !isAllowed(policy))
  if (against !== undefined)
    throw new WaybillError(
      'MIRROR_UNTRUSTED',
      `TrustPolicy ${against.name} does not name ${repository} as a mirror of ${canonical}`,
    )
}

function covers({ spec }: TrustPolicy, name: string): boolean {
  return spec.repositories.some((pattern) => repositoryMatches(pattern, name))
}

function unmatched(policies: readonly TrustPolicy[], canonical: string): TrustExplanation {
  const error = missing(policies, canonical)
  const { code, message: detail } = error
  return { checks: [{ policy: '', check: 'policy', ok: false, detail, code }], warnings: [], error }
}

function missing(policies: readonly TrustPolicy[], canonical: string): WaybillError {
  return new WaybillError('POLICY_MISSING', `none of ${policies.length} trust policies covers ${canonical}`)
}

/** The first refusal is the error; with several, each is a fault of it. */
function refusal(
  verdicts: readonly PolicyVerdict[],
  refused: readonly TrustCheck[],
  warnings: readonly string[],
): TrustExplanation {
  const faults: Fault[] = refused.map(({ code, policy, detail }) => ({
    code: code ?? 'INTERNAL',
    message: `TrustPolicy ${policy}: ${detail}`,
  }))
  const first = faults[0]
  const ignored = warnings.length === 0 ? '' : ` (${warnings.slice(0, 3).join('; ')})`
  return {
    checks: verdicts.flatMap(({ checks }) => checks),
    warnings,
    error: new WaybillError(first?.code ?? 'INTERNAL', `${first?.message ?? 'refused'}${ignored}`, {
      faults: faults.length > 1 ? faults : [],
    }),
  }
}
