import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { openCosignKey } from './cosign-key.ts'

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
export function parseSigningKey(text: string, options: { readonly password?: string } = {}): SigningKey {
  const key = readPrivateKey(text, options.password)
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new WaybillError('KEY_INVALID', 'the key is not ECDSA on P-256; other keys cannot be verified everywhere')
  const publicKey = createPublicKey(key)
  return {
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    fingerprint: digestOf(publicKey.export({ type: 'spki', format: 'der' })),
    sign: (data) => sign('sha256', data, key),
  }
}

const cosignLabels = ['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY']

function readPrivateKey(text: string, password: string | undefined): KeyObject {
  // SEC1 files made by openssl begin with a block of parameters.
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)].filter(
    ([, label]) => label !== 'EC PARAMETERS',
  )
  const [, label, body] = blocks[0] ?? []
  if (blocks.length !== 1 || label === undefined || body === undefined)
    throw new WaybillError('KEY_INVALID', 'the key file is not one PEM block')
  if (cosignLabels.includes(label)) return openCosignKey(body, password)
  if (label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED'))
    throw new WaybillError('KEY_INVALID', 'the key file is an encrypted PEM', {
      hint: 'Decrypt it with `openssl pkcs8`, or import it with `cosign import-key-pair` and set COSIGN_PASSWORD.',
    })
  if (label !== 'PRIVATE KEY' && label !== 'EC PRIVATE KEY')
    throw new WaybillError('KEY_INVALID', `the key file holds a ${label.toLowerCase()}, not a private key`)
  try {
    return createPrivateKey({ key: text, format: 'pem' })
  } catch {
    throw new WaybillError('KEY_INVALID', 'the key file cannot be read')
  }
}
