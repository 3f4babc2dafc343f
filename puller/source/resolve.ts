import { type Digest, parseDigest } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { isVersion, parseRepository, type Reference } from '../../contract/reference.ts'
import type { TagLister, TagResolver } from '../../contract/registry/registry.ts'
import type { DeliverySpec } from '../kinds.ts'
import type { VerifyTarget } from './verify.ts'
import { highestVersion } from './version-range.ts'

/** The digest that a Delivery asks for. The tag is not looked at again. */
export type Resolved = {
  /** What decided: a hold wins over the source. */
  readonly via: 'hold' | 'channel' | 'version' | 'digest'
  readonly repository: Reference
  readonly canonical: string
  readonly digest: Digest
  /** Only with `via: 'channel'`: the promotion that is needed. */
  readonly channel?: string
  /** Only with `via: 'version'`: the release that is needed, and the range that it is the highest of. */
  readonly release?: { readonly version: string; readonly range: string }
}

/**
 * Finds the digest: the held one, the named one, or what a tag names now: the channel's, or that of the highest version in range.
 * @throws WaybillError VERSION_UNMATCHED; REGISTRY_*, for channels and versions alone
 */
export async function resolve(spec: DeliverySpec, tags: TagResolver & TagLister): Promise<Resolved> {
  const place = sourceOf(spec)
  if (spec.hold !== undefined) return { ...place, via: 'hold', digest: parseDigest(spec.hold.digest) }
  const { channel, version: range, digest } = spec.source
  if (range !== undefined) {
    const listed = await orNotFound('the repository', place, tags.listTags(place.repository))
    const version = highestVersion(listed, range)
    if (version === undefined) throw new WaybillError('VERSION_UNMATCHED', unmatched(range, place))
    const found = await orNotFound(`version ${version}`, place, tags.resolveTag(place.repository, version))
    return { ...place, via: 'version', release: { version, range }, digest: found }
  }
  if (channel === undefined) return { ...place, via: 'digest', digest: parseDigest(digest ?? '') }
  const found = await orNotFound(`channel ${channel}`, place, tags.resolveTag(place.repository, channel))
  return { ...place, via: 'channel', channel, digest: found }
}

type Place = Pick<Resolved, 'repository'>

/** Says which name it was that the registry does not know. */
async function orNotFound<T>(what: string, { repository: { repository } }: Place, asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (!hasCode(error, 'REGISTRY_NOT_FOUND')) throw error
    throw new WaybillError('REGISTRY_NOT_FOUND', `${repository}: ${what} was not found`, { cause: error })
  }
}

function unmatched(range: string, { repository: { repository } }: Place): string {
  return isVersion(range)
    ? `${repository}: version ${range} was not found`
    : `${repository}: no tag is a version in ${range}`
}

/** Where a Delivery reads from, and which package that is. */
export function sourceOf(spec: DeliverySpec): { readonly repository: Reference; readonly canonical: string } {
  const repository = parseRepository(spec.source.repository)
  return { repository, canonical: spec.source.mirrorOf ?? repository.repository }
}

/** The environment of the artifact that this Delivery delivers: its own, else the channel's name. */
export function environmentOf(spec: DeliverySpec): string {
  return spec.environment ?? spec.source.channel ?? ''
}

/** What Verify is asked about a resolved digest. */
export function verifyTarget(resolved: Resolved, ran: (digest: string) => boolean): VerifyTarget {
  const { repository, canonical, digest, channel, release } = resolved
  return {
    repository,
    canonical,
    digest,
    ranBefore: ran(digest),
    ...(channel === undefined ? {} : { channel }),
    ...(release === undefined ? {} : release),
  }
}
