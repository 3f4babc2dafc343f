import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'

/** A private ECDSA P-256 key that can sign, and what names it. The key itself is not reachable from here. */
export type SigningKey = {
  /** SPKI PEM. */
  readonly publicKeyPem: string
  /** `sha256:<hex>` of the SPKI DER. */
  readonly fingerprint: Digest
  /** ECDSA with SHA-256, DER-encoded. */
  sign(data: Uint8Array): Uint8Array
}

/**
 * Reads the text of a key file: PEM (PKCS#8 or SEC1), or a `cosign.key` with its password.
 * @throws WaybillError KEY_INVALID, KEY_PASSWORD
 */
export function parseSigningKey(_text: string, _options: { readonly password?: string } = {}): SigningKey {
  throw new WaybillError('INTERNAL', 'not built yet')
}
