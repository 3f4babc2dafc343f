import { shortDigest } from './digest.ts'
import { type ErrorCode, WaybillError } from './errors.ts'
import type { PromotionPredicate, StatementRole } from './statements.ts'
import type { TrustCheck, TrustedProvenance, TrustQuery } from './trust.ts'
import { type Evidence, type Keyholder, keyholders, type SignerFinder } from './trust-evidence.ts'
import type { TrustPolicy } from './trust-policy.ts'
import { promotionReader, provenanceReader, readSignature, releaseReader } from './trust-readers.ts'
import { type Accepted, judgeRole, type PredicateReader, type Rejection, type RoleVerdict } from './trust-role.ts'

/** What one policy says of one artifact: its checks, and the statements that it takes. */
export type PolicyVerdict = {
  readonly policy: TrustPolicy
  readonly checks: readonly TrustCheck[]
  readonly signatures: readonly Accepted<true>[]
  readonly provenances: readonly Accepted<TrustedProvenance>[]
  readonly promotions: readonly Accepted<PromotionPredicate>[]
  readonly releases: readonly Accepted<string>[]
}

/** Asks everything that a policy requires, whatever was refused before. Never throws. */
export function judgePolicy(
  policy: TrustPolicy,
  query: TrustQuery,
  evidence: Evidence,
  find: SignerFinder,
): PolicyVerdict {
  const empty = { policy, signatures: [], provenances: [], promotions: [], releases: [] }
  let holders: readonly Keyholder[]
  try {
    holders = keyholders(policy)
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    const { code, message } = error
    return { ...empty, checks: [{ policy: policy.name, check: 'policy', ok: false, detail: message, code }] }
  }

  const { require } = policy.spec
  const checks: TrustCheck[] = []
  const ask = <T>(role: StatementRole, by: readonly string[], read: PredicateReader<T>, code: ErrorCode) =>
    judgeRole(
      { policy: policy.name, role, by, holders, read, missing: { code, detail: `there is no ${role}` } },
      query,
      evidence,
      find,
    )
  const demand = <T>(role: StatementRole, verdict: RoleVerdict<T>): readonly Accepted<T>[] => {
    checks.push(checkOf(policy.name, role, verdict))
    return verdict.accepted
  }
  const nobodyMay = (role: 'promotion' | 'release', code: ErrorCode, detail: string) => {
    checks.push({ policy: policy.name, check: role, ok: false, detail, code })
    return []
  }

  const signatures = demand('signature', ask('signature', require.signature.by, readSignature, 'SIGNATURE_MISSING'))
  const provenances =
    require.provenance === undefined
      ? []
      : demand(
          'provenance',
          ask('provenance', require.provenance.by, provenanceReader(require.provenance), 'PROVENANCE_MISSING'),
        )
  const askPromotion = (by: readonly string[]) => ask('promotion', by, promotionReader(query), 'PROMOTION_MISSING')
  const promotions =
    query.channel === undefined
      ? []
      : require.promotion === undefined
        ? nobodyMay('promotion', 'PROMOTION_MISSING', 'the policy lets nobody promote: it has no require.promotion')
        : demand('promotion', askPromotion(require.promotion.by))
  const askRelease = (by: readonly string[]) => ask('release', by, releaseReader(query), 'RELEASE_MISSING')
  const releases =
    require.release === undefined
      ? query.version === undefined
        ? []
        : nobodyMay('release', 'RELEASE_MISSING', 'the policy lets nobody release versions: it has no require.release')
      : query.version === undefined
        ? askRelease(require.release.by).accepted
        : demand('release', askRelease(require.release.by))
  return { policy, checks, signatures, provenances, promotions, releases }
}

function checkOf<T>(policy: string, check: StatementRole, { accepted, rejection }: RoleVerdict<T>): TrustCheck {
  if (accepted.length === 0) return refusedCheck(policy, check, rejection)
  const signers = accepted.map(({ signer: { authority, key, state } }) =>
    [authority, `(${shortDigest(key)})`, state === 'active' ? '' : state].filter(Boolean).join(' '),
  )
  return { policy, check, ok: true, detail: `${check} by ${[...new Set(signers)].join(', ')}` }
}

function refusedCheck(policy: string, check: StatementRole, { code, detail }: Rejection): TrustCheck {
  return { policy, check, ok: false, detail, code }
}
