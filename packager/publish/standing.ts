import { parseConfig, parseManifest, type ReleaseConfig } from '../../contract/artifact/artifact.ts'
import type { Digest } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { byDigest, parseChannel, parseRepository } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { evaluateTrust } from '../../contract/trust/trust.ts'
import type { SigningKey } from './keys.ts'
import { ownPolicy } from './sign.ts'

/** What a channel names. */
export type Standing = {
  /** `repository@sha256:…` */
  readonly reference: string
  readonly digest: Digest
  readonly channel: string
  readonly release: ReleaseConfig
}

/**
 * What `channel` names, where it holds the same package with the same environments and tree digests as `release`, and `key` both signed and
 * promoted it: only then is there nothing to publish. What anybody else put there is no reason not to.
 * @throws WaybillError CHANNEL_INVALID, REGISTRY_*
 */
export async function sameInChannel(
  release: ReleaseConfig,
  {
    channel: name,
    reader,
    key,
  }: { readonly channel: string; readonly reader: RegistryReader; readonly key: SigningKey },
): Promise<Standing | undefined> {
  const channel = parseChannel(name)
  const repository = parseRepository(release.package.repository)
  const canonical = repository.repository
  try {
    const digest = await reader.resolveTag(repository, channel)
    const query = { repository: canonical, canonical, digest, channel, ranBefore: false }
    evaluateTrust([ownPolicy(canonical, key, ['promotion'])], query, await reader.fetchBundles(repository, digest))
    const { config } = parseManifest(await reader.fetchManifest(repository, digest))
    const found = parseConfig(await reader.fetchBlob(repository, config, LIMITS.configBytesMax))
    if (contentOf(found) !== contentOf(release)) return undefined
    return { reference: byDigest(repository, digest), digest, channel, release: found }
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return undefined
    if (!(error instanceof WaybillError) || /^(?:REGISTRY_|DIGEST_)/.test(error.code)) throw error
    return undefined
  }
}

/** What a cluster would see of a release, whatever commit it came from. */
function contentOf({ package: pack, environments }: ReleaseConfig): string {
  const trees = Object.entries(environments).map(([name, { treeDigest }]) => [name, treeDigest])
  return JSON.stringify([pack.name, pack.repository, trees.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))])
}
