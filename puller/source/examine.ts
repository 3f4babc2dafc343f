import { hasCode, WaybillError } from '../../contract/errors.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { requireCovered } from '../../contract/trust/trust.ts'
import type { TrustPolicy } from '../../contract/trust/trust-policy.ts'
import type { ArtifactCache } from './disk.ts'
import type { CacheAccess } from './fetch.ts'
import { type Seen, type Verified, type VerifyTarget, verify } from './verify.ts'

/** What Verify is fed from. */
export type Examiner = {
  readonly registry: Pick<RegistryReader, 'fetchBundles'>
  readonly cache: ArtifactCache
  readonly access: CacheAccess
}

/**
 * Verifies a digest, on every reconcile anew: first with the bundles that are kept, so that no request is needed and the
 * registry may be down, and where they do not do (a key was revoked, a newer promotion is needed), with fresh ones.
 * Of a package that no policy covers nothing is asked.
 * @throws WaybillError what `verify` refuses; REGISTRY_* only where nothing was kept that could be refused
 */
export async function examine(
  target: VerifyTarget,
  policies: readonly TrustPolicy[],
  seen: Seen,
  { registry, cache, access }: Examiner,
): Promise<Verified> {
  const { digest } = target
  requireCovered(policies, target.canonical)
  const allowed = access.ran || (await cache.granted(access.reader, digest))
  const kept = allowed ? await cache.readBundles(digest) : undefined
  let refusal: WaybillError | undefined
  if (kept !== undefined) {
    try {
      return verify(target, policies, kept, seen)
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error
      refusal = error
    }
  }
  // No bundle changes which version was seen.
  if (hasCode(refusal, 'VERSION_REPLAYED')) throw refusal
  const fresh = await freshBundles(registry, target, refusal)
  const verified = verify(target, policies, fresh, seen)
  await cache.writeBundles(digest, fresh)
  await cache.grant(access.reader, digest)
  return verified
}

async function freshBundles(
  registry: Pick<RegistryReader, 'fetchBundles'>,
  { repository, digest }: VerifyTarget,
  refusal: WaybillError | undefined,
): Promise<readonly Uint8Array[]> {
  try {
    return await registry.fetchBundles(repository, digest)
  } catch (error) {
    throw refusal ?? error
  }
}
