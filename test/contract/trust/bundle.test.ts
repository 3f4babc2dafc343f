import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { openBundle, writeBundle } from '../../../contract/trust/bundle.ts'
import { parsePublicKey, verifyEnvelope } from '../../../contract/trust/public-key.ts'
import { statement } from '../../../contract/trust/statements.ts'
import { explainTrust } from '../../../contract/trust/trust.ts'
import { parseTrustPolicy } from '../../../contract/trust/trust-policy.ts'
import { makeKey } from '../../fakes/keys.ts'

const repository = 'registry.example.com/acme/shop'
const digest = digestOf('the artifact')
const key = makeKey()
const bytes = writeBundle(statement(digest, 'signature', {}), key)
const policy = parseTrustPolicy('shop', {
  repositories: [repository],
  authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
  require: { signature: { by: ['ci'] } },
})
const query = { repository, canonical: repository, digest, ranBefore: false }

type Loose = {
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid?: string }[] }
  verificationMaterial: Record<string, unknown>
  mediaType: string
  [field: string]: unknown
}

function changed(change: (bundle: Loose) => void): Uint8Array {
  const bundle: Loose = JSON.parse(Buffer.from(bytes).toString())
  change(bundle)
  return Buffer.from(JSON.stringify(bundle))
}

function refused(bundle: Uint8Array, reason: RegExp): void {
  const { trusted, error, warnings } = explainTrust([policy], query, [bundle])
  assert.equal(trusted, undefined)
  assert.ok(hasCode(error, 'SIGNATURE_MISSING'), error?.message)
  assert.match(warnings.join(), reason)
  assert.match(error.message, reason)
}

test('what is written can be opened and verified, and its keyid is empty', () => {
  const opened = openBundle(bytes)
  assert.ok(verifyEnvelope(parsePublicKey(key.publicKeyPem), opened.payloadType, opened.payload, opened.signature))
  assert.ok(!Buffer.from(bytes).toString().includes('"keyid":"s'))
  assert.equal(opened.hint, parsePublicKey(key.publicKeyPem).hint)
})

test('a bundle of another payload type is passed over, though its signature is good', () => {
  refused(
    changed((bundle) => {
      bundle.dsseEnvelope.payloadType = 'text/plain'
    }),
    /payload type/,
  )
})

test('a bundle with two signatures, or none, is passed over', () => {
  refused(
    changed(({ dsseEnvelope }) => dsseEnvelope.signatures.push({ sig: 'AAAA' })),
    /signatures/,
  )
  refused(
    changed(({ dsseEnvelope }) => dsseEnvelope.signatures.pop()),
    /signatures/,
  )
})

test('a bundle with a certificate in place of a key is passed over', () => {
  refused(
    changed((bundle) => {
      bundle.verificationMaterial = { certificate: { rawBytes: 'AAAA' } }
    }),
    /publicKey/,
  )
})

test('a bundle that is not JSON, too deep, too large or of another version is passed over', () => {
  refused(Buffer.from('\u0000'), /not JSON/)
  refused(Buffer.from('['.repeat(100_000)), /nested/)
  refused(Buffer.alloc(2 * 1024 * 1024, 0x20), /bytes/)
  refused(
    changed((bundle) => {
      bundle.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.1'
    }),
    /mediaType/,
  )
})

test('log entries and timestamps that say nonsense do not matter under a key', () => {
  const noisy = changed(({ verificationMaterial }) => {
    verificationMaterial.tlogEntries = [{ logIndex: 'x' }]
    verificationMaterial.timestampVerificationData = { rfc3161Timestamps: [{ signedTimestamp: 'AAAA' }] }
  })
  assert.ok(explainTrust([policy], query, [noisy]).trusted)
})

test('a wrong hint changes nothing: it is not signed', () => {
  const misled = changed((bundle) => {
    bundle.verificationMaterial = { publicKey: { hint: 'somebody-else' } }
  })
  assert.ok(explainTrust([policy], query, [misled]).trusted)
})

test('a changed payload is not signed by anybody', () => {
  const forged = changed(({ dsseEnvelope }) => {
    const text = Buffer.from(dsseEnvelope.payload, 'base64').toString()
    dsseEnvelope.payload = Buffer.from(text.replace('"predicate":{}', '"predicate":{"a":1}')).toString('base64')
  })
  const { error } = explainTrust([policy], query, [forged])
  assert.ok(hasCode(error, 'SIGNER_UNTRUSTED'))
})

test('no change of a single byte of a bundle is trusted for another artifact, and none crashes', () => {
  const other = { ...query, digest: digestOf('another artifact') }
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(bytes)
      damaged[at] = value
      assert.equal(explainTrust([policy], other, [damaged]).trusted, undefined)
    }),
  )
})

test('no JSON at all makes a bundle that crashes or is trusted', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.equal(explainTrust([policy], query, [Buffer.from(text)]).trusted, undefined)
    }),
  )
})
