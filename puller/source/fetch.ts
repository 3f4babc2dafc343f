import {
  ANNOTATIONS,
  environmentNameSchema,
  parseConfig,
  parseManifest,
  type ReleaseConfig,
} from '../../contract/artifact/artifact.ts'
import { readLayer } from '../../contract/artifact/layer.ts'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { assertDigest, type Digest, parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { byDigest } from '../../contract/reference.ts'
import type { BlobSource, ManifestSource } from '../../contract/registry/registry.ts'
import type { ArtifactCache } from './disk.ts'
import type { Verified } from './verify.ts'

/** Where the bytes of an artifact come from: a registry, or the cache in front of one. */
export type ContentSource = Pick<ManifestSource, 'fetchManifest'> & BlobSource

/** What a verified artifact says of itself; nothing of its layer was read yet. */
export type Release = {
  readonly verified: Verified
  readonly config: ReleaseConfig
  readonly layer: { readonly digest: Digest; readonly size: number }
}

/** One environment of a verified artifact, ready to be planned. */
export type Fetched = {
  readonly verified: Verified
  readonly config: ReleaseConfig
  readonly environment: string
  readonly treeDigest: Digest
  readonly objects: readonly KubeObject[]
}

/**
 * Reads the manifest and the config of what was verified.
 * @throws WaybillError PACKAGE_MISMATCH when the artifact says that it belongs to another repository; PROVENANCE_INVALID when it
 *   was packed from another commit than the provenance says; ARTIFACT_INVALID; REGISTRY_*; DIGEST_MISMATCH
 */
export async function fetchRelease(verified: Verified, source: ContentSource): Promise<Release> {
  const { repository, digest, canonical } = verified
  const manifest = parseManifest(await source.fetchManifest(repository, digest))
  const descriptor = { digest: parseDigest(manifest.config.digest), size: manifest.config.size }
  const config = parseConfig(await source.fetchBlob(repository, descriptor, LIMITS.configBytesMax))
  if (config.package.repository !== canonical)
    throw new WaybillError(
      'PACKAGE_MISMATCH',
      `${byDigest(repository, digest)} is package ${config.package.name} of ${config.package.repository}, not of ${canonical}`,
    )
  if (manifest.annotations[ANNOTATIONS.title] !== config.package.name)
    throw new WaybillError('ARTIFACT_INVALID', `${byDigest(repository, digest)}: its title is not its package's name`)
  const built = verified.trusted.provenance?.revision
  if (built !== undefined && built !== config.source.revision)
    throw new WaybillError(
      'PROVENANCE_INVALID',
      `${byDigest(repository, digest)} was packed from ${config.source.revision}, but its provenance says ${built}`,
    )
  const [layer] = manifest.layers
  return { verified, config, layer: { digest: parseDigest(layer.digest), size: layer.size } }
}

/**
 * Reads one environment's objects.
 * @throws WaybillError ENVIRONMENT_UNKNOWN; LAYER_INVALID, OBJECT_INVALID, LIMIT_EXCEEDED; REGISTRY_*; DIGEST_MISMATCH
 */
export async function fetchEnvironment(release: Release, environment: string, source: ContentSource): Promise<Fetched> {
  const { verified, config, layer } = release
  const listed = Object.hasOwn(config.environments, environment) ? config.environments[environment] : undefined
  if (listed === undefined || !environmentNameSchema.safeParse(environment).success)
    throw new WaybillError(
      'ENVIRONMENT_UNKNOWN',
      `${byDigest(verified.repository, verified.digest)} has no environment ${environment}; it has ${Object.keys(config.environments).join(', ') || 'none'}`,
    )
  const bytes = await source.fetchBlob(verified.repository, layer, LIMITS.layerBytesMax)
  const entries = await readLayer(bytes, config, environment)
  const objects = entries.map(({ object }) => object)
  return { verified, config, environment, treeDigest: parseDigest(listed.treeDigest), objects }
}

/** May this delivery use what the cache holds? Only what it fetched itself, or what its records show that it ran. */
export type CacheAccess = { readonly reader: string; readonly ran: boolean }

/**
 * A registry with the cache in front of it. What was fetched is kept, and whoever fetched it with his own credentials may
 * read it from the cache from then on. Errors: those of the registry, DISK_FULL, DISK_FAILED.
 */
export function cachedSource(registry: ContentSource, cache: ArtifactCache, access: CacheAccess): ContentSource {
  const kept = async (digest: Digest) =>
    access.ran || (await cache.granted(access.reader, digest)) ? await cache.readBlob(digest) : undefined
  const keep = async (digest: Digest, bytes: Uint8Array) => {
    assertDigest('what the registry sent', bytes, digest)
    await cache.writeBlob(digest, bytes)
    await cache.grant(access.reader, digest)
    return bytes
  }
  return {
    fetchManifest: async (repository, digest) =>
      (await kept(digest)) ?? (await keep(digest, await registry.fetchManifest(repository, digest))),
    fetchBlob: async (repository, descriptor, bytesMax) => {
      const found = await kept(descriptor.digest)
      if (found !== undefined && found.length === descriptor.size && found.length <= bytesMax) return found
      return keep(descriptor.digest, await registry.fetchBlob(repository, descriptor, bytesMax))
    },
  }
}
