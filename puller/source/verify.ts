import type { Digest } from '../../contract/digest.ts'
import { shortDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { byDigest, type Reference } from '../../contract/reference.ts'
import { evaluateTrust } from '../../contract/trust/trust.ts'
import type { Trusted, TrustQuery } from '../../contract/trust/trust-answer.ts'
import type { TrustPolicy } from '../../contract/trust/trust-policy.ts'
import { isLower } from './version-range.ts'

/** One digest that something is asked of: what Resolve hands on, and what `waybill verify` asks. */
export type VerifyTarget = {
  /** Where it is fetched from. */
  readonly repository: Reference
  /** `host/path` of the package's canonical repository; the same, unless this is a mirror. */
  readonly canonical: string
  readonly digest: Digest
  /** Asks for a promotion into this channel. */
  readonly channel?: string
  /** Asks for a release statement of this version. */
  readonly version?: string
  /** The range that the version was chosen by: then it must not be lower than one that was chosen by it before. */
  readonly range?: string
  /** The records show that this delivery ran it: retired signers still count. */
  readonly ranBefore: boolean
}

/** What this delivery has seen, from its records: a later promotion or another digest of a version is held against it. */
export type Seen = {
  /** The highest promotion accepted for this channel of the package. */
  readonly promotion?: { readonly sequence: number; readonly digest: string }
  /** The highest version accepted for this range of the package, since the source was last edited. */
  readonly release?: { readonly version: string; readonly digest: string }
  /** Versions that were accepted, each with its digest. */
  readonly versions: Readonly<Record<string, string>>
}

const verifiedBrand: unique symbol = Symbol('verified')

/** A digest that every policy that matches lets us read. `verify` is its only maker, and Fetch takes nothing else. */
export type Verified = VerifyTarget & {
  readonly [verifiedBrand]: true
  readonly trusted: Trusted
  /** Of the newest promotion into the channel that was asked for. */
  readonly promotion?: { readonly channel: string; readonly sequence: number }
  /** Where a range chose it. */
  readonly release?: { readonly version: string; readonly range: string }
}

/**
 * Holds a digest against the policies, and against what this delivery has seen. Pure: no network, clock or cluster.
 * `bundles` are the artifact's referrers, as the registry or the cache gave them.
 * @throws WaybillError with a code for each kind of refusal: those of contract/trust/trust.ts, then VERSION_MOVED,
 *   VERSION_REPLAYED, PROMOTION_REPLAYED, PROMOTION_SEQUENCE_REUSED
 */
export function verify(
  target: VerifyTarget,
  policies: readonly TrustPolicy[],
  bundles: readonly Uint8Array[],
  seen: Seen = { versions: {} },
): Verified {
  const trusted = evaluateTrust(policies, trustQuery(target), bundles)
  checkVersions(target, trusted, seen)
  checkRelease(target, seen)
  checkPromotion(target, trusted, seen)
  const { channel, version, range } = target
  const release = version === undefined || range === undefined ? {} : { release: { version, range } }
  const promotion =
    channel === undefined || trusted.promotion === undefined
      ? {}
      : { promotion: { channel, sequence: trusted.promotion.sequence } }
  return { ...target, ...promotion, ...release, trusted, [verifiedBrand]: true }
}

/** What Verify asks of contract/trust/trust.ts; `waybill verify` uses it to explain each check. */
export function trustQuery(target: VerifyTarget): TrustQuery {
  return {
    repository: target.repository.repository,
    canonical: target.canonical,
    digest: target.digest,
    ranBefore: target.ranBefore,
    ...(target.channel === undefined ? {} : { channel: target.channel }),
    ...(target.version === undefined ? {} : { version: target.version }),
  }
}

function checkVersions(target: VerifyTarget, trusted: Trusted, seen: Seen): void {
  for (const version of trusted.releases) {
    const before = Object.hasOwn(seen.versions, version) ? seen.versions[version] : undefined
    if (before !== undefined && before !== target.digest)
      throw new WaybillError(
        'VERSION_MOVED',
        `${byDigest(target.repository, target.digest)} says it is version ${version}, which was seen here at ${before}`,
      )
  }
}

function checkRelease({ repository, digest, version, range }: VerifyTarget, { release: last }: Seen): void {
  if (version === undefined || range === undefined || last === undefined || !isLower(version, last.version)) return
  throw new WaybillError(
    'VERSION_REPLAYED',
    `${byDigest(repository, digest)}: ${version} is now the highest version in ${range}, but ${last.version} (${shortDigest(last.digest)}) was seen before`,
  )
}

function checkPromotion(target: VerifyTarget, trusted: Trusted, seen: Seen): void {
  const { channel } = target
  const last = seen.promotion
  if (channel === undefined || last === undefined) return
  const sequence = trusted.promotion?.sequence ?? 0
  const what = `${byDigest(target.repository, target.digest)} in channel ${channel} has promotion ${sequence}`
  if (sequence < last.sequence)
    throw new WaybillError(
      'PROMOTION_REPLAYED',
      `${what}, but ${last.sequence} (${shortDigest(last.digest)}) was seen before`,
    )
  if (sequence === last.sequence && target.digest !== last.digest)
    throw new WaybillError('PROMOTION_SEQUENCE_REUSED', `${what}, which ${shortDigest(last.digest)} carries too`)
}
