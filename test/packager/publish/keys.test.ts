import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, scryptSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { type ErrorCode, hasCode } from '../../../contract/errors.ts'
import { parsePublicKey } from '../../../contract/trust/public-key.ts'
import { parseSigningKey } from '../../../packager/publish/keys.ts'

const pair = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey
const p256 = pair('P-256')
const pem = (type: 'pkcs8' | 'sec1') => p256.export({ type, format: 'pem' }).toString()

function refuses(text: string, code: ErrorCode, words = /./): void {
  assert.throws(
    () => parseSigningKey(text),
    (error) => hasCode(error, code) && words.test(`${error.message} ${error.hint}`),
  )
}

test('a P-256 key is read as PKCS#8 and as SEC1, and signs', () => {
  for (const text of [
    pem('pkcs8'),
    pem('sec1'),
    `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${pem('sec1')}`,
  ]) {
    const key = parseSigningKey(text)
    assert.ok(verify('sha256', Buffer.from('x'), key.publicKeyPem, key.sign(Buffer.from('x'))))
    assert.equal(parsePublicKey(key.publicKeyPem).fingerprint, key.fingerprint)
  }
})

test('a signing key does not show its private half', () => {
  const key = parseSigningKey(pem('pkcs8'))
  const secret = pem('pkcs8').split('\n')[1] ?? ''
  assert.ok(!JSON.stringify(key).includes(secret))
  assert.ok(!Object.values(key).some((value) => String(value).includes('PRIVATE')))
})

test('keys that not everybody can verify are refused', () => {
  refuses(pair('P-384').export({ type: 'pkcs8', format: 'pem' }).toString(), 'KEY_INVALID', /P-256/)
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  refuses(ed25519.toString(), 'KEY_INVALID', /P-256/)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  refuses(rsa.export({ type: 'pkcs8', format: 'pem' }).toString(), 'KEY_INVALID', /P-256/)
  refuses(rsa.export({ type: 'pkcs1', format: 'pem' }).toString(), 'KEY_INVALID')
})

test('an encrypted PEM is refused with a way out', () => {
  const encrypted = p256.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
  refuses(encrypted, 'KEY_INVALID', /openssl pkcs8/)
})

test('a public key, two keys, or no key at all is refused', () => {
  refuses(parseSigningKey(pem('pkcs8')).publicKeyPem, 'KEY_INVALID', /public key/)
  refuses(pem('pkcs8') + pem('pkcs8'), 'KEY_INVALID')
  refuses('hello', 'KEY_INVALID')
})

/** A `cosign.key` as cosign makes one, with a cheap N. */
function cosignKey(key: KeyObject, password: string, change: Readonly<Record<string, unknown>> = {}): string {
  const [salt, nonce] = [Buffer.alloc(32, 1), Buffer.alloc(24, 2)]
  const secret = scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 })
  const box = xsalsa20poly1305(secret, nonce).encrypt(key.export({ type: 'pkcs8', format: 'der' }))
  const body = {
    kdf: { name: 'scrypt', params: { N: 1024, r: 8, p: 1 }, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(box).toString('base64'),
    ...change,
  }
  const text = Buffer.from(JSON.stringify(body)).toString('base64')
  return `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${text}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`
}

test('a cosign key opens with its password, and with no other and none', () => {
  const text = cosignKey(p256, 'sesame-42')
  assert.equal(parseSigningKey(text, { password: 'sesame-42' }).fingerprint, parseSigningKey(pem('pkcs8')).fingerprint)
  for (const options of [{}, { password: '' }, { password: 'sesame-43' }])
    assert.throws(
      () => parseSigningKey(text, options),
      (error) => hasCode(error, 'KEY_PASSWORD') && !`${error.message}${error.hint}`.includes('sesame'),
    )
})

test('a cosign key over another curve, or one that asks for all memory, is refused', () => {
  refuses(cosignKey(pair('P-384'), ''), 'KEY_INVALID', /P-256/)
  const kdf = { name: 'scrypt', params: { N: 2 ** 30, r: 8, p: 1 }, salt: '' }
  refuses(cosignKey(p256, '', { kdf }), 'KEY_INVALID')
  refuses(cosignKey(p256, '', { cipher: { name: 'nacl/secretbox', nonce: 'AAAA' } }), 'KEY_PASSWORD')
})

test('a damaged cosign key is refused without showing what it holds', () => {
  const body = Buffer.from('{"kdf":{"name":"md5"},"secret":"sesame-42"}').toString('base64')
  const text = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`
  assert.throws(
    () => parseSigningKey(text, { password: 'x' }),
    (error) => hasCode(error, 'KEY_INVALID') && !error.message.includes('sesame'),
  )
})
