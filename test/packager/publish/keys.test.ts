import assert from 'node:assert/strict'
import { generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
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

test('a damaged cosign key is refused without showing what it holds', () => {
  const body = Buffer.from('{"kdf":{"name":"md5"},"secret":"sesame-42"}').toString('base64')
  const text = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`
  assert.throws(
    () => parseSigningKey(text, { password: 'x' }),
    (error) => hasCode(error, 'KEY_INVALID') && !error.message.includes('sesame'),
  )
})
