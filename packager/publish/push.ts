import { MEDIA } from '../../contract/artifact/artifact.ts'
import { assertDigest, type Digest } from '../../contract/digest.ts'
import { hasCode } from '../../contract/errors.ts'
import { byDigest, type Reference } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import type { Packed } from '../pack.ts'
import type { RegistryWriter } from './registry-writer.ts'

/** An artifact's bytes in a registry, by digest, with no name yet. */
export type Pushed = {
  readonly repository: Reference
  readonly digest: Digest
  /** Of the manifest. */
  readonly size: number
  /** False when the registry had it. */
  readonly written: boolean
}

/** The bytes of an artifact; `digest` is that of the manifest. */
export type Pushable = Pick<Packed, 'manifest' | 'config' | 'layer' | 'digest'>

/**
 * Blobs first, the manifest last, nothing when the manifest is there.
 * @throws WaybillError REGISTRY_*, TOOL_*, DIGEST_MISMATCH when the digest is not that of the manifest
 */
export async function push(
  artifact: Pushable,
  repository: Reference,
  { writer, reader }: { readonly writer: RegistryWriter; readonly reader: RegistryReader },
): Promise<Pushed> {
  const { manifest, config, layer, digest } = artifact
  assertDigest(byDigest(repository, digest), manifest, digest)
  const pushed = { repository, digest, size: manifest.length }
  if (await isThere(reader, repository, digest)) return { ...pushed, written: false }
  await writer.pushBlob(repository, config, MEDIA.config)
  await writer.pushBlob(repository, layer, MEDIA.layer)
  await writer.pushManifest(repository, manifest, MEDIA.manifest)
  return { ...pushed, written: true }
}

async function isThere(reader: RegistryReader, repository: Reference, digest: Digest): Promise<boolean> {
  try {
    await reader.fetchManifest(repository, digest)
    return true
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return false
    throw error
  }
}
