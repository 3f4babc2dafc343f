import type { Digest } from '../digest.ts'
import type { ErrorCode, WaybillError } from '../errors.ts'
import type { PromotionPredicate, StatementRole } from './statements.ts'

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
  /** Who set the run off, where the builder says. */
  readonly actor?: string
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
