import type { Digest } from '../digest.ts'
import { type ErrorCode, type Fault, WaybillError } from '../errors.ts'
import type { PromotionPredicate, StatementRole } from './statements.ts'
import { gatherEvidence, signerFinder } from './trust-evidence.ts'
import { judgePolicy, type PolicyVerdict } from './trust-judge.ts'
import { repositoryMatches, type TrustPolicy } from './trust-policy.ts'
import { believe } from './trust-result.ts'

/** What is asked of the policies. */
export type TrustQuery = {
  /** `host/path` that the artifact is fetched from. */
  readonly repository: string
  /** The package's canonical repository: the Delivery's `mirrorOf`, or `repository`. */
  readonly canonical: string
  readonly digest: Digest
  /** Asks for a promotion into this channel. */
  readonly channel?: string
  /** Asks for a release statement of this version. */
  readonly version?: string
  /** The records show that this delivery ran this digest: `retired` signers still count. */
  readonly ranBefore: boolean
}

/** An authority whose statement counted. */
export type Signer = {
  readonly role: StatementRole
  readonly authority: string
  readonly policy: string
  /** `sha256:<hex>` of the key's SPKI DER. */
  readonly key: Digest
  readonly state: 'active' | 'retired'
}

/** One thing that was checked, in the order of checking; for `waybill verify`. */
export type TrustCheck = {
  readonly policy: string
  readonly check: 'policy' | 'signature' | 'provenance' | 'promotion' | 'release'
  readonly ok: boolean
  /** What was found, or why it is refused; one sentence. */
  readonly detail: string
  readonly code?: ErrorCode
}

export type TrustedProvenance = {
  readonly builderId: string
  readonly sourceRepository: string
  readonly ref?: string
  /** `sha1:…` or `sha256:…`, from the resolved dependency. */
  readonly revision?: string
  readonly invocationId?: string
  readonly workflow?: string
}

/** What the policies let us believe of one digest. */
export type Trusted = {
  readonly policies: readonly { readonly name: string; readonly generation?: number }[]
  readonly signers: readonly Signer[]
  readonly provenance?: TrustedProvenance
  readonly promotion?: PromotionPredicate
  /** Versions that trusted release statements bind to this digest, sorted. */
  readonly releases: readonly string[]
  /** sha256 of the bytes of every bundle that counted, sorted. */
  readonly usedBundles: readonly Digest[]
  readonly checks: readonly TrustCheck[]
  /** Bundles that were passed over, and why. */
  readonly warnings: readonly string[]
}

/** Every check with its verdict; `trusted` when all passed, else `error` is the first refusal. */
export type TrustExplanation = {
  readonly checks: readonly TrustCheck[]
  readonly warnings: readonly string[]
  readonly trusted?: Trusted
  readonly error?: WaybillError
}

/** As `evaluateTrust`, but goes on after a refusal and gives every verdict. Never throws for what a bundle holds. */
export function explainTrust(
  policies: readonly TrustPolicy[],
  query: TrustQuery,
  bundles: readonly Uint8Array[],
): TrustExplanation {
  const { repository, canonical } = query
  const covers = (policy: TrustPolicy, name: string) => policy.spec.repositories.some((p) => repositoryMatches(p, name))
  if (!policies.some((policy) => covers(policy, canonical))) return unmatched(policies, canonical)
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

function unmatched(policies: readonly TrustPolicy[], canonical: string): TrustExplanation {
  const detail = `none of ${policies.length} trust policies covers ${canonical}`
  return {
    checks: [{ policy: '', check: 'policy', ok: false, detail, code: 'POLICY_MISSING' }],
    warnings: [],
    error: new WaybillError('POLICY_MISSING', detail),
  }
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
