import { LIMITS } from '../limits.ts'
import type { BlobSource, ManifestSource } from './registry.ts'

type ContentSource = Pick<ManifestSource, 'fetchManifest'> & BlobSource

/**
 * Asks for nothing twice: what a digest names does not change. Keeps manifests, and blobs of the size of a bundle, for as long as it is
 * around, so it is for one who publishes or verifies and ends. Failures are not kept, and tags and lists are always asked for.
 */
export function remembering(source: ContentSource): ContentSource {
  const kept = new Map<string, Uint8Array>()
  const once = async (key: string, fetch: () => Promise<Uint8Array>) => {
    const found = kept.get(key)
    if (found !== undefined) return found
    const bytes = await fetch()
    if (bytes.length <= LIMITS.bundleBytesMax) kept.set(key, bytes)
    return bytes
  }
  return {
    fetchManifest: (repository, digest) =>
      once(`manifest ${repository.repository}@${digest}`, () => source.fetchManifest(repository, digest)),
    fetchBlob: (repository, descriptor, bytesMax) =>
      // Size and bound are part of what was checked.
      once(`blob ${repository.repository}@${descriptor.digest} ${descriptor.size} ${bytesMax}`, () =>
        source.fetchBlob(repository, descriptor, bytesMax),
      ),
  }
}
