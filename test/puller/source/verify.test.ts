import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { parseRepository } from '../../../contract/reference.ts'
import { type Seen, type VerifyTarget, verify } from '../../../puller/source/verify.ts'
import { attested, bundlesFor, configMap, newSigningKey, policy, release } from '../release-fixture.ts'

const REPOSITORY = 'registry.example.com/acme/shop'
const key = newSigningKey()
const policies = [policy('registry.example.com', key)]
const packed = release(REPOSITORY, 'one', [configMap('a', { k: 'v' })])
const other = digestOf('another release')
const target = (more: Partial<VerifyTarget> = {}): VerifyTarget => ({
  repository: parseRepository(REPOSITORY),
  canonical: REPOSITORY,
  digest: packed.digest,
  ranBefore: false,
  ...more,
})
const promoted = (sequence: number) => bundlesFor(packed, key, { promotion: { channel: 'production', sequence } })
const check = (bundles: Uint8Array[], seen?: Seen, more: Partial<VerifyTarget> = { channel: 'production' }) =>
  verify(target(more), policies, bundles, seen)

test('a signed and promoted digest is verified, and says by which promotion', () => {
  const verified = check(promoted(7))
  assert.deepEqual(verified.promotion, { channel: 'production', sequence: 7 })
  assert.equal(verified.digest, packed.digest)
})

test('a promotion older than one that was seen is refused', () => {
  const seen = { versions: {}, promotion: { sequence: 8, digest: other } }
  assert.throws(() => check(promoted(7), seen), { code: 'PROMOTION_REPLAYED' })
})

test('a promotion number that another digest carried is refused', () => {
  const seen = { versions: {}, promotion: { sequence: 7, digest: other } }
  assert.throws(() => check(promoted(7), seen), { code: 'PROMOTION_SEQUENCE_REUSED' })
})

test('the promotion that was seen before is still good for the same digest', () => {
  check(promoted(7), { versions: {}, promotion: { sequence: 7, digest: packed.digest } })
})

test('a version that was seen at another digest is refused', () => {
  const bundles = bundlesFor(packed, key, { version: '1.0.0' })
  assert.throws(() => check(bundles, { versions: { '1.0.0': other } }, {}), { code: 'VERSION_MOVED' })
  check(bundles, { versions: { '1.0.0': packed.digest } }, {})
})

test('a version in range must be released, and be no lower than one that the range led to before', () => {
  const bundles = bundlesFor(packed, key, { version: '1.9.0' })
  const asked = { version: '1.9.0', range: '^1' }
  const seen = (version: string) => ({ versions: {}, release: { version, digest: other } })
  assert.deepEqual(check(bundles, undefined, asked).release, asked)
  check(bundles, seen('1.8.9'), asked)
  check(bundles, seen('1.9.0-rc.1'), asked)
  assert.throws(() => check(bundles, seen('1.10.0'), asked), { code: 'VERSION_REPLAYED' })
  assert.throws(() => check(bundles, undefined, { ...asked, version: '1.9.1' }), { code: 'RELEASE_MISSING' })
})

test('a version that a stranger claims for another digest moves nothing', () => {
  const stranger = newSigningKey()
  const claim = attested(stranger, packed.digest, 'release', { purl: 'pkg:oci/shop', releaseId: '1.0.0' })
  check([...bundlesFor(packed, key), claim], { versions: { '1.0.0': other } }, {})
})

test('a version named as a property of every object is not one that was seen', () => {
  check(bundlesFor(packed, key, { version: '1.0.0' }), { versions: {} }, {})
})

test('a channel that nobody promoted the digest into is refused', () => {
  assert.throws(() => check(bundlesFor(packed, key)), { code: 'PROMOTION_MISSING' })
})

test('no policy means no', () => {
  assert.throws(() => verify(target(), [], promoted(1)), { code: 'POLICY_MISSING' })
})
