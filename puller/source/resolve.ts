import { type Digest, parseDigest } from '../../contract/digest.ts'
import { parseRepository, type Reference } from '../../contract/reference.ts'
import type { TagResolver } from '../../contract/registry/registry.ts'
import type { DeliverySpec } from '../kinds.ts'
import type { VerifyTarget } from './verify.ts'

/** The digest that a Delivery asks for. The tag is not looked at again. */
export type Resolved = {
  /** What decided: a hold wins over the source. */
  readonly via: 'hold' | 'channel' | 'digest'
  readonly repository: Reference
  readonly canonical: string
  readonly digest: Digest
  /** Only with `via: 'channel'`: the promotion that is needed. */
  readonly channel?: string
}

/**
 * Finds the digest: the held one, the named one, or what the channel's tag names now.
 * @throws WaybillError REGISTRY_*, for channels alone
 */
export async function resolve(spec: DeliverySpec, tags: TagResolver): Promise<Resolved> {
  const place = sourceOf(spec)
  if (spec.hold !== undefined) return { ...place, via: 'hold', digest: parseDigest(spec.hold.digest) }
  const { channel, digest } = spec.source
  if (channel === undefined) return { ...place, via: 'digest', digest: parseDigest(digest ?? '') }
  return { ...place, via: 'channel', channel, digest: await tags.resolveTag(place.repository, channel) }
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
  const { repository, canonical, digest, channel } = resolved
  return { repository, canonical, digest, ranBefore: ran(digest), ...(channel === undefined ? {} : { channel }) }
}
