import { shortDigest } from '../digest.ts'
import { type ErrorCode, WaybillError } from '../errors.ts'
import type { PromotionPredicate, StatementRole } from './statements.ts'
import type { TrustCheck, TrustedProvenance, TrustQuery } from './trust-answer.ts'
import { type Evidence, type Keyholder, keyholders, type SignerFinder } from './trust-evidence.ts'
import type { TrustPolicy } from './trust-policy.ts'
import { promotionReader, provenanceReader, readSignature, releaseReader } from './trust-readers.ts'
import { type Accepted, judgeRole, type PredicateReader, type RoleRule, type RoleVerdict } from './trust-role.ts'

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
  const { name } = policy
  let holders: readonly Keyholder[]
  try {
    holders = keyholders(policy)
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    const check = failed(name, 'policy', error.code, error.message)
    return { policy, checks: [check], signatures: [], provenances: [], promotions: [], releases: [] }
  }
  const ask: Ask = (role, by, read, missing) =>
    judgeRole({ policy: name, role, by, holders, read, missing }, query, evidence, find)
  const { require } = policy.spec
  const signature = demanded(
    name,
    'signature',
    ask('signature', require.signature.by, readSignature, {
      code: 'SIGNATURE_MISSING',
      detail: 'there is no signature',
    }),
  )
  const provenance = judgeProvenance(name, require, ask)
  const promotion = judgePromotion(name, require, query, ask)
  const release = judgeRelease(name, require, query, ask)
  return {
    policy,
    checks: [...signature.checks, ...provenance.checks, ...promotion.checks, ...release.checks],
    signatures: signature.accepted,
    provenances: provenance.accepted,
    promotions: promotion.accepted,
    releases: release.accepted,
  }
}

type Require = TrustPolicy['spec']['require']
type Ask = <T>(
  role: StatementRole,
  by: readonly string[],
  read: PredicateReader<T>,
  missing: RoleRule<T>['missing'],
) => RoleVerdict<T>
/** One role's part of a verdict. No checks: it was not demanded. */
type Part<T> = { readonly checks: readonly TrustCheck[]; readonly accepted: readonly Accepted<T>[] }

const nothing = { checks: [], accepted: [] }

function judgeProvenance(name: string, { provenance }: Require, ask: Ask): Part<TrustedProvenance> {
  if (provenance === undefined) return nothing
  const missing = { code: 'PROVENANCE_MISSING', detail: 'there is no provenance' } as const
  const verdict = ask('provenance', provenance.by, provenanceReader(provenance), missing)
  return demanded(name, 'provenance', verdict, sayProvenance)
}

function judgePromotion(name: string, { promotion }: Require, query: TrustQuery, ask: Ask): Part<PromotionPredicate> {
  if (query.channel === undefined) return nothing
  if (promotion === undefined) {
    const detail = 'the policy lets nobody promote: it has no require.promotion'
    return { checks: [failed(name, 'promotion', 'PROMOTION_MISSING', detail)], accepted: [] }
  }
  const missing = { code: 'PROMOTION_MISSING', detail: `there is no promotion into ${query.channel}` } as const
  return demanded(name, 'promotion', ask('promotion', promotion.by, promotionReader(query), missing), sayPromotion)
}

/** Versions are gathered also where none is asked for, so that one that moved is noticed. */
function judgeRelease(name: string, { release }: Require, query: TrustQuery, ask: Ask): Part<string> {
  if (release === undefined) {
    if (query.version === undefined) return nothing
    const detail = 'the policy lets nobody release versions: it has no require.release'
    return { checks: [failed(name, 'release', 'RELEASE_MISSING', detail)], accepted: [] }
  }
  const missing = { code: 'RELEASE_MISSING', detail: `there is no release ${query.version ?? ''}`.trim() } as const
  const verdict = ask('release', release.by, releaseReader(query), missing)
  return query.version === undefined
    ? { checks: [], accepted: verdict.accepted }
    : demanded(name, 'release', verdict, (version) => version)
}

function sayProvenance(found: TrustedProvenance): string {
  const { sourceRepository, revision, ref, builderId, workflow, invocationId, actor } = found
  const at = [revision, ref].filter((part) => part !== undefined).join(' of ')
  return [
    `${sourceRepository}${at === '' ? '' : ` at ${at}`}, built by ${builderId}`,
    ...(workflow === undefined ? [] : [`workflow ${workflow}`]),
    ...(invocationId === undefined ? [] : [`run ${invocationId}`]),
    ...(actor === undefined ? [] : [`set off by ${actor}`]),
  ].join(', ')
}

function sayPromotion({ channel, sequence, previous, reason }: PromotionPredicate): string {
  const before = previous === undefined ? '' : `, before it ${shortDigest(previous)}`
  return `${channel}, number ${sequence}${before}${reason === undefined ? '' : `: ${reason}`}`
}

/** `say` tells what the statement says, where that is more than its subject. */
function demanded<T>(
  policy: string,
  check: StatementRole,
  { accepted, rejection }: RoleVerdict<T>,
  say?: (value: T) => string,
): Part<T> {
  if (accepted.length === 0) return { checks: [failed(policy, check, rejection.code, rejection.detail)], accepted }
  const signers = accepted.map(({ signer: { authority, key, state } }) =>
    [authority, `(${shortDigest(key)})`, state === 'active' ? '' : state].filter(Boolean).join(' '),
  )
  const said = say === undefined ? [] : [...new Set(accepted.map(({ value }) => say(value)))]
  const detail = [`${check} by ${[...new Set(signers)].join(', ')}`, ...said].join('; ')
  return { checks: [{ policy, check, ok: true, detail }], accepted }
}

function failed(policy: string, check: TrustCheck['check'], code: ErrorCode, detail: string): TrustCheck {
  return { policy, check, ok: false, detail, code }
}
