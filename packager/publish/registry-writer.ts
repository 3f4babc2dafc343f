import type { Digest } from '../../contract/digest.ts'
import type { Reference } from '../../contract/reference.ts'

/** Writing to a registry. Every method is idempotent. Errors: REGISTRY_*, TOOL_MISSING, TOOL_VERSION, TOOL_FAILED. */
export interface RegistryWriter {
  pushBlob(repository: Reference, bytes: Uint8Array, mediaType: string): Promise<Digest>
  /** Pushes the very bytes, by digest, without a tag. */
  pushManifest(repository: Reference, bytes: Uint8Array, mediaType: string): Promise<Digest>
  tag(repository: Reference, digest: Digest, tag: string): Promise<void>
}
