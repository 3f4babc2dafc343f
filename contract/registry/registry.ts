import type { Descriptor } from '../artifact/artifact.ts'
import type { Digest } from '../digest.ts'
import type { Reference } from '../reference.ts'

/**
 * Reading from a registry (distribution-spec 1.1.1), as both sides need it. Every method is bounded by `LIMITS` and
 * checks what it reads against the digest asked for. Errors: REGISTRY_*, DIGEST_MISMATCH, LIMIT_EXCEEDED.
 */
export interface TagResolver {
  /** One HEAD (GET where a registry gives no Docker-Content-Digest). REGISTRY_NOT_FOUND when there is no such tag. */
  resolveTag(repository: Reference, tag: string): Promise<Digest>
}

export interface TagLister {
  /**
   * Every tag, by pages, in the registry's order. Somebody's word: what a tag names is what signed statements say of it.
   * REGISTRY_NOT_FOUND when there is no such repository; more than LIMITS.tagsMax are refused, not cut.
   */
  listTags(repository: Reference): Promise<readonly string[]>
}

export interface ManifestSource {
  /** The manifest's very bytes, checked against the digest. */
  fetchManifest(repository: Reference, digest: Digest): Promise<Uint8Array>
  /** Sigstore bundles among the referrers, by the referrers API or the fallback tag. */
  fetchBundles(repository: Reference, digest: Digest): Promise<readonly Uint8Array[]>
}

export interface BlobSource {
  /** A whole blob. Its declared size is checked against `bytesMax` before the first byte. */
  fetchBlob(
    repository: Reference,
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    bytesMax: number,
  ): Promise<Uint8Array>
}

export type RegistryReader = TagResolver & ManifestSource & BlobSource
