import { createHash, timingSafeEqual } from 'node:crypto'
import { WaybillError } from './errors.ts'

declare const digestBrand: unique symbol
/** `sha256:` and 64 lower-case hex digits (OCI image-spec 1.1, descriptor.md "Digests"). Other algorithms are refused. */
export type Digest = string & { readonly [digestBrand]: true }

const PATTERN = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return PATTERN.test(text)
}

/** @throws WaybillError DIGEST_INVALID */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new WaybillError('DIGEST_INVALID', `"${text.slice(0, 100)}" is not a digest of the form sha256:<64 hex digits>`)
}

/** The sha256 of bytes, or of a string's UTF-8. */
export function digestOf(content: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`)
}

/** The 64 hex digits. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** `sha256:` and the first 12 hex digits, for people. Never for comparing. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12)
}

/** @throws WaybillError DIGEST_MISMATCH naming `what` when the bytes are not those that the digest names. */
export function assertDigest(what: string, bytes: Uint8Array, expected: Digest): void {
  const found = digestOf(bytes)
  if (!timingSafeEqual(Buffer.from(found), Buffer.from(expected)))
    throw new WaybillError('DIGEST_MISMATCH', `${what}: expected ${expected}, got ${found} (${bytes.length} bytes)`)
}
