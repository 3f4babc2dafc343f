import { digestHex } from '../digest.ts'
import type { ErrorCode } from '../errors.ts'
import type { OpenedBundle } from './bundle.ts'
import { PREDICATES, type Statement, type StatementRole } from './statements.ts'
import type { Signer, TrustQuery } from './trust-answer.ts'
import { type Evidence, hintedSigner, type Keyholder, type SignerFinder } from './trust-evidence.ts'

/** Why a statement does not count. The higher `near`, the nearer it came; the nearest is what people are told. */
export type Rejection = { readonly code: ErrorCode; readonly detail: string; readonly near: number }

/** A statement that counts, what it says, and who says so. */
export type Accepted<T> = { readonly bundle: OpenedBundle; readonly signer: Signer; readonly value: T }

export type RoleVerdict<T> = { readonly accepted: readonly Accepted<T>[]; readonly rejection: Rejection }

/** Reads what a statement of a role says, under one rule of one policy; `near` counts from 0 here. */
export type PredicateReader<T> = (statement: Statement) => { readonly value: T } | Rejection

export type RoleRule<T> = {
  readonly policy: string
  readonly role: StatementRole
  readonly by: readonly string[]
  readonly holders: readonly Keyholder[]
  readonly read: PredicateReader<T>
  /** When nothing comes near. */
  readonly missing: { readonly code: ErrorCode; readonly detail: string }
}

const near = { untrusted: 1, otherPredicate: 2, otherSubject: 3, content: 4, state: 100 } as const

/** Sorts every bundle into those that count for a role and those that do not. */
export function judgeRole<T>(
  rule: RoleRule<T>,
  query: TrustQuery,
  evidence: Evidence,
  find: SignerFinder,
): RoleVerdict<T> {
  const accepted: Accepted<T>[] = []
  let rejection: Rejection = { ...rule.missing, near: 0 }
  for (const bundle of evidence.bundles) {
    const verdict = judge(rule, query, bundle, find)
    if ('value' in verdict) accepted.push(verdict)
    else if (verdict.near > rejection.near) rejection = verdict
  }
  return { accepted, rejection }
}

function judge<T>(
  rule: RoleRule<T>,
  query: TrustQuery,
  bundle: OpenedBundle,
  find: SignerFinder,
): Accepted<T> | Rejection {
  const { role, by, policy } = rule
  const ofRole = bundle.statement.predicateType === PREDICATES[role]
  const holder = find(bundle, rule.holders)
  const authority = holder?.names.find((name) => by.includes(name))
  if (holder === undefined || authority === undefined)
    return { code: 'SIGNER_UNTRUSTED', detail: untrusted(rule, bundle, holder), near: ofRole ? near.untrusted : -1 }
  if (!ofRole)
    return {
      code: 'PREDICATE_UNEXPECTED',
      detail: `${authority} signed a statement of type ${bundle.statement.predicateType}, not ${PREDICATES[role]}`,
      near: role === 'signature' ? near.otherPredicate : -1,
    }
  if (!names(bundle.statement, query, role))
    return {
      code: 'SUBJECT_MISMATCH',
      detail: `the ${role} by ${authority} is about another artifact than ${query.digest}`,
      near: near.otherSubject,
    }
  const content = rule.read(bundle.statement)
  if (!('value' in content)) return { ...content, near: near.content + content.near }
  const { state } = holder
  if (state === 'revoked')
    return { code: 'SIGNER_REVOKED', detail: `${role} by ${authority}, who is revoked`, near: near.state }
  if (state === 'retired' && !query.ranBefore)
    return {
      code: 'SIGNER_RETIRED',
      detail: `${role} by ${authority}, who is retired, and this digest never ran here`,
      near: near.state,
    }
  return { bundle, value: content.value, signer: { role, authority, policy, key: holder.key.fingerprint, state } }
}

/**
 * Among several subjects one must be ours, as cosign has it. A promotion has one subject: two digests must not share a
 * sequence number.
 */
function names({ subject }: Statement, { digest }: TrustQuery, role: StatementRole): boolean {
  if (role === 'promotion' && subject.length !== 1) return false
  return subject.some(({ digest: digests }) => digests.sha256 === digestHex(digest))
}

function untrusted<T>({ role, by }: RoleRule<T>, bundle: OpenedBundle, holder: Keyholder | undefined): string {
  const who = holder === undefined ? hintedSigner(bundle) : holder.names.join(', ')
  return `${role} by ${who}; the policy takes it from ${by.join(' or ')} only`
}
