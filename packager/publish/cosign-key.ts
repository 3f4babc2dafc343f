import { createPrivateKey, type KeyObject, scryptSync } from 'node:crypto'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { z } from 'zod'
import { parseJson } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'

// github.com/secure-systems-lab/go-securesystemslib, encrypted: scrypt and NaCl secretbox over PKCS#8 DER.
const encryptedSchema = z.object({
  kdf: z.object({
    name: z.literal('scrypt'),
    params: z.object({
      N: z
        .int()
        .min(2)
        .max(1 << 18),
      r: z.int().min(1).max(16),
      p: z.int().min(1).max(16),
    }),
    salt: z.base64(),
  }),
  cipher: z.object({ name: z.literal('nacl/secretbox'), nonce: z.base64() }),
  ciphertext: z.base64(),
})

/**
 * Opens the body of a `cosign.key`. A key made without a password opens with none.
 * @throws WaybillError KEY_INVALID, KEY_PASSWORD
 */
export function openCosignKey(body: string, password: string | undefined): KeyObject {
  const { kdf, cipher, ciphertext } = readBody(body)
  const { N, r, p } = kdf.params
  const secret = scryptSync(password ?? '', Buffer.from(kdf.salt, 'base64'), 32, { N, r, p, maxmem: 256 * N * r })
  try {
    const box = xsalsa20poly1305(secret, Buffer.from(cipher.nonce, 'base64'))
    const der = box.decrypt(Buffer.from(ciphertext, 'base64'))
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  } catch {
    throw new WaybillError(
      'KEY_PASSWORD',
      password === undefined ? 'the cosign key needs its password' : 'the password does not open the cosign key',
    )
  }
}

function readBody(body: string): z.infer<typeof encryptedSchema> {
  try {
    return encryptedSchema.parse(parseJson('the key file', Buffer.from(body, 'base64')))
  } catch {
    throw new WaybillError('KEY_INVALID', 'the cosign key cannot be read')
  }
}
