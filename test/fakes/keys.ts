import { generateKeyPairSync } from 'node:crypto'
import { parseSigningKey, type SigningKey } from '../../packager/publish/keys.ts'

/** A fresh ECDSA P-256 key that really signs, and its PEM (PKCS#8) as a file would hold it. */
export function makeKey(): SigningKey & { readonly pem: string } {
  const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const text = pem.toString()
  return { ...parseSigningKey(text), pem: text }
}
