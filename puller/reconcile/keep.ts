import type { Digest } from '../../contract/digest.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { parseRepository } from '../../contract/reference.ts'
import { observeOnly } from '../control/gate.ts'
import type { RecordSpec } from '../kinds.ts'
import type { Plan } from '../plan/plan.ts'
import { sourceOf } from '../source/resolve.ts'
import type { VerifyTarget } from '../source/verify.ts'
import { fetchHere, type Observed, refusalOf, verifyHere } from './ask.ts'
import { carryOut } from './carry-out.ts'
import { basisOf, triggerOf } from './facts.ts'
import type { Job, Result } from './job.ts'
import { recordDistrust } from './record-refusal.ts'

/** What became of what ran before; `kept` is false where there was nothing to keep. `differs`: what was left as it is. */
export type Kept = { readonly result?: Result; readonly kept: boolean; readonly differs?: Plan }

/**
 * While what is asked for cannot be had, what ran before is compared and put back: verified again, as it was when it was
 * chosen, from the cache where need be. `not`: a digest that was refused just now.
 */
export async function keep(observed: Observed, not: Digest | undefined): Promise<Kept> {
  const { ledger } = observed
  const { current } = ledger.summary
  if (current === undefined || current === not) return { kept: false }
  try {
    const basis = basisOf(ledger.summary, current)
    const verified = await verifyHere(observed, currentTarget(observed, current, basis), { ordered: false })
    const fetched = await fetchHere(observed, verified, basis?.environment)
    const trigger = triggerOf(observed.delivery, ledger.summary, { via: 'current' })
    const gate = observed.delivery.spec.sync === 'observe' ? { gate: observeOnly(observed, fetched) } : {}
    const job: Job = { ...observed, fetched, role: 'current', trigger, ...gate, newer: async () => undefined }
    const result = await carryOut(job)
    const differs = result.kind === 'waiting' ? result.differs : undefined
    return { result, kept: true, ...(differs === undefined ? {} : { differs }) }
  } catch (error) {
    if (observed.turn.signal.aborted) return { result: { kind: 'interrupted' }, kept: true }
    const said = refusalOf(error)
    if (isDistrust(said.code)) await recordDistrust(observed, current, said)
    return { result: { kind: 'refused', said, objects: [] }, kept: true }
  }
}

/** What is asked of a digest that ran before, as it was chosen then. */
export function currentTarget(
  { delivery }: Pick<Observed, 'delivery'>,
  digest: Digest,
  basis: RecordSpec | undefined,
): VerifyTarget {
  const place = sourceOf(delivery.spec)
  const repository = basis?.source === undefined ? place.repository : parseRepository(basis.source.repository)
  const canonical = basis?.source === undefined ? place.canonical : (basis.source.mirrorOf ?? basis.source.repository)
  const channel = basis?.promotion?.channel
  return {
    repository,
    canonical,
    digest,
    ranBefore: true,
    ...(channel === undefined ? {} : { channel }),
    ...(basis?.release === undefined ? {} : basis.release),
  }
}

const ORDER: ReadonlySet<ErrorCode> = new Set([
  'PROMOTION_REPLAYED',
  'PROMOTION_SEQUENCE_REUSED',
  'VERSION_MOVED',
  'VERSION_REPLAYED',
])

/** A refusal of the move to a digest, which says nothing against a digest that runs. */
export function isOrder(code: ErrorCode): boolean {
  return ORDER.has(code)
}

const DISTRUST: ReadonlySet<ErrorCode> = new Set([
  'POLICY_MISSING',
  'POLICY_INVALID',
  'FIELD_UNSUPPORTED',
  'SIGNATURE_MISSING',
  'SIGNER_UNTRUSTED',
  'SIGNER_RETIRED',
  'SIGNER_REVOKED',
  'PREDICATE_UNEXPECTED',
  'SUBJECT_MISMATCH',
  'PROVENANCE_MISSING',
  'PROVENANCE_INVALID',
  'PROVENANCE_SOURCE',
  'PROVENANCE_REF',
  'PROVENANCE_BUILDER',
  'PACKAGE_MISMATCH',
  'RELEASE_MISSING',
  'PROMOTION_MISSING',
])

/** The policies no longer let us believe in it. */
export function isDistrust(code: ErrorCode): boolean {
  return DISTRUST.has(code)
}
