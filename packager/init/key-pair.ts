import { generateKeyPairSync } from 'node:crypto'

/** ECDSA P-256: PKCS#8 and SPKI, in PEM. */
export type KeyPair = { readonly privatePem: string; readonly publicPem: string }

export function makeKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  return { privatePem: privateKey, publicPem: publicKey }
}
