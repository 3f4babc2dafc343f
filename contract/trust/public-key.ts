import { createPublicKey, type KeyObject } from 'node:crypto'
import { crypto, dsse } from '@sigstore/core'
import { type Digest, digestHex, digestOf } from '../digest.ts'
import { WaybillError } from '../errors.ts'

/** An ECDSA P-256 public key. */
export type PublicKey = {
  /** `sha256:<hex>` of the SPKI DER: what names a key everywhere in Waybill. */
  readonly fingerprint: Digest
  /** base64 of the same hash: what cosign writes as a bundle's `publicKey.hint`. */
  readonly hint: string
  readonly key: KeyObject
}

/**
 * Reads one SPKI PEM block. A private key, a certificate or another curve is refused.
 * @throws WaybillError KEY_INVALID
 */
export function parsePublicKey(pem: string): PublicKey {
  const key = readKey(pem)
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new WaybillError('KEY_INVALID', 'the public key is not ECDSA on P-256')
  const fingerprint = digestOf(key.export({ type: 'spki', format: 'der' }))
  return { fingerprint, hint: Buffer.from(digestHex(fingerprint), 'hex').toString('base64'), key }
}

/** True when `signature` (DER) is the key's over the DSSE v1 encoding of the payload. */
export function verifyEnvelope(
  { key }: PublicKey,
  payloadType: string,
  payload: Uint8Array,
  signature: Uint8Array,
): boolean {
  return crypto.verify(dsse.preAuthEncoding(payloadType, Buffer.from(payload)), key, Buffer.from(signature), 'sha256')
}

function readKey(pem: string): KeyObject {
  const blocks = pem.match(/-----BEGIN [^-]+-----/g) ?? []
  if (blocks.length !== 1 || blocks[0] !== '-----BEGIN PUBLIC KEY-----')
    throw new WaybillError('KEY_INVALID', 'a public key is one PEM block "BEGIN PUBLIC KEY"')
  try {
    return createPublicKey({ key: pem, format: 'pem' })
  } catch {
    throw new WaybillError('KEY_INVALID', 'the public key cannot be read')
  }
}
