import { parseConfig, parseManifest } from '../../contract/artifact/artifact.ts'
import { type Digest, isDigest } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { byDigest, parseChannel, type Reference } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { packageUrlNames } from '../../contract/trust/package-url.ts'
import { type PublicKey, parsePublicKey } from '../../contract/trust/public-key.ts'
import {
  PREDICATES,
  type PromotionPredicate,
  packageUrl,
  promotionPredicateSchema,
} from '../../contract/trust/statements.ts'
import { evaluateTrust } from '../../contract/trust/trust.ts'
import type { TrustPolicy } from '../../contract/trust/trust-policy.ts'
import { attest } from './attest.ts'
import type { SigningKey } from './keys.ts'
import { seconds } from './provenance.ts'
import type { RegistryWriter } from './registry-writer.ts'
import { ownPolicy, statementsBy } from './sign.ts'

export type PromoteOptions = {
  readonly writer: RegistryWriter
  readonly reader: RegistryReader
  readonly channel: string
  readonly key: SigningKey
  /** What the release must satisfy before it is promoted; default: signed by `key`. */
  readonly policies?: readonly TrustPolicy[]
  readonly reason?: string
  readonly now: Date
  readonly onStep?: (step: string) => void
}

export type Promoted = {
  readonly reference: string
  readonly channel: string
  readonly digest: Digest
  readonly sequence: number
  readonly previous?: Digest
  /** False when the channel was there already. */
  readonly changed: boolean
}

/**
 * Points a channel at a published release (`repository:version` or `repository@digest`): a signed promotion first, the tag last.
 * @throws WaybillError NOT_PUBLISHED, PACKAGE_MISMATCH, PROMOTION_CONFLICT, CHANNEL_INVALID, READ_BACK_FAILED, REGISTRY_*, TOOL_*
 */
export async function promote(reference: Reference, options: PromoteOptions): Promise<Promoted> {
  const { reader, writer, now, reason, onStep = () => {} } = options
  const channel = parseChannel(options.channel)
  const digest = reference.digest ?? (await digestOfTag(reader, reference))
  const size = await published(reader, reference, digest, options)
  const current = await channelDigest(reader, reference, channel)
  const targets = current === undefined || current === digest ? [digest] : [digest, current]
  const [here = [], there = []] = await Promise.all(
    targets.map((target) => promotionsOf(reader, reference, target, options, channel)),
  )
  const newest = highest(here)
  const result = { reference: byDigest(reference, digest), channel, digest }
  // A tag moved back by hand looks like this too: a reason that is not the last one says that it is meant.
  if (current === digest && newest !== undefined && (reason === undefined || reason === newest.reason))
    return { ...result, sequence: newest.sequence, ...previousOf(newest), changed: false }

  const seen = Math.max(0, ...[...here, ...there].map(({ sequence }) => sequence))
  const predicate: PromotionPredicate = {
    package: packageUrl(reference.repository),
    channel,
    sequence: Math.max(seen + 1, Math.floor(now.getTime() / 1000)),
    ...(current === undefined || current === digest ? {} : { previous: current }),
    ...(reason === undefined ? {} : { reason }),
    promotedAt: seconds(now),
  }
  const holds = (found: Record<string, unknown>) => found.sequence === predicate.sequence && found.channel === channel
  await attest([{ role: 'promotion', predicate, holds }], { repository: reference, digest, size }, options)

  const before = await channelDigest(reader, reference, channel)
  if (before !== current)
    throw new WaybillError(
      'PROMOTION_CONFLICT',
      `${channel} was ${current ?? 'nothing'} and is now ${before ?? 'nothing'}`,
    )
  if (current !== digest) {
    onStep(`pointing ${channel} at ${digest}`)
    await writer.tag(reference, digest, channel)
    const after = await channelDigest(reader, reference, channel)
    if (after !== digest)
      throw new WaybillError(
        'PROMOTION_CONFLICT',
        `${channel} is ${after ?? 'nothing'} right after it was set to ${digest}`,
      )
  }
  return { ...result, sequence: predicate.sequence, ...previousOf(predicate), changed: true }
}

async function digestOfTag(reader: RegistryReader, reference: Reference): Promise<Digest> {
  if (reference.tag === undefined)
    throw new WaybillError('REFERENCE_INVALID', `${reference.repository}: a version or a digest is needed`)
  return reader.resolveTag(reference, reference.tag)
}

/** The manifest's size, once a trusted signature was seen over a release of this very repository. */
async function published(
  reader: RegistryReader,
  reference: Reference,
  digest: Digest,
  { key, policies }: PromoteOptions,
): Promise<number> {
  const { repository } = reference
  const name = byDigest(reference, digest)
  const query = { repository, canonical: repository, digest, ranBefore: false }
  try {
    evaluateTrust(policies ?? [ownPolicy(repository, key)], query, await reader.fetchBundles(reference, digest))
  } catch (cause) {
    if (!(cause instanceof WaybillError) || cause.code.startsWith('REGISTRY_')) throw cause
    throw new WaybillError('NOT_PUBLISHED', `${name}: ${cause.message}`, { cause })
  }
  const manifest = await reader.fetchManifest(reference, digest)
  const { config } = parseManifest(manifest)
  const release = parseConfig(await reader.fetchBlob(reference, config, LIMITS.configBytesMax))
  if (release.package.repository !== repository)
    throw new WaybillError('PACKAGE_MISMATCH', `${name} belongs to ${release.package.repository}`, {
      hint: 'Promote it in its own repository.',
    })
  return manifest.length
}

async function channelDigest(
  reader: RegistryReader,
  repository: Reference,
  channel: string,
): Promise<Digest | undefined> {
  try {
    return await reader.resolveTag(repository, channel)
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return undefined
    throw error
  }
}

/** Promotions of this package into this channel that a key we go by signed for a digest. */
async function promotionsOf(
  reader: RegistryReader,
  repository: Reference,
  digest: Digest,
  { key, policies = [] }: PromoteOptions,
  channel: string,
): Promise<readonly PromotionPredicate[]> {
  const keys = [parsePublicKey(key.publicKeyPem), ...policies.flatMap(promoters)]
  return statementsBy(await reader.fetchBundles(repository, digest), keys, digest)
    .filter(({ predicateType }) => predicateType === PREDICATES.promotion)
    .flatMap(({ predicate }) => {
      const parsed = promotionPredicateSchema.safeParse(predicate)
      return parsed.success ? [parsed.data] : []
    })
    .filter((found) => found.channel === channel && packageUrlNames(found.package, repository.repository))
}

/** Keys whose promotions a policy takes: numbers that they used must not be used again. */
function promoters({ spec }: TrustPolicy): readonly PublicKey[] {
  const by = spec.require.promotion?.by ?? []
  return spec.authorities
    .filter(({ name, state }) => by.includes(name) && state !== 'revoked')
    .flatMap(({ key }) => (key === undefined ? [] : [parsePublicKey(key.pem)]))
}

function highest(promotions: readonly PromotionPredicate[]): PromotionPredicate | undefined {
  return [...promotions].sort((a, b) => b.sequence - a.sequence)[0]
}

function previousOf({ previous }: PromotionPredicate): { readonly previous?: Digest } {
  return previous !== undefined && isDigest(previous) ? { previous } : {}
}
