import type { Digest } from '../../contract/digest.ts'

/** A registry on loopback, in this process, that can misbehave on request. Port 0; `close` when done. */
export type FakeRegistry = {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** `METHOD /path` of every request so far. */
  readonly requests: readonly string[]
  putBlob(repository: string, bytes: Uint8Array): Digest
  /** `tag` is optional; a manifest with a subject becomes a referrer. */
  putManifest(repository: string, bytes: Uint8Array, options?: { tag?: string; mediaType?: string }): Digest
  tag(repository: string, digest: Digest, tag: string): void
  /** Attaches a Sigstore bundle as a referrer of `subject`. */
  attachBundle(repository: string, subject: Digest, bundle: Uint8Array): Digest
  close(): Promise<void>
}

export async function startFakeRegistry(): Promise<FakeRegistry> {
  throw new Error('not built yet')
}
