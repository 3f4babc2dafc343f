import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { type ErrorCode, hasCode } from '../../../contract/errors.ts'
import { writeBundle } from '../../../contract/trust/bundle.ts'
import { packageUrl, type Statement, type StatementRole, statement } from '../../../contract/trust/statements.ts'
import { evaluateTrust, explainTrust, requireMirror } from '../../../contract/trust/trust.ts'
import type { TrustQuery } from '../../../contract/trust/trust-answer.ts'
import { parseTrustPolicy, type TrustPolicy } from '../../../contract/trust/trust-policy.ts'
import type { SigningKey } from '../../../packager/publish/keys.ts'
import { makeKey } from '../../fakes/keys.ts'

const repository = 'registry.example.com/acme/shop'
const digest = digestOf('the artifact')
const other = digestOf('another artifact')
const ci = makeKey()
const stranger = makeKey()
const query: TrustQuery = { repository, canonical: repository, digest, ranBefore: false }

const promotion = (sequence: number, change: Record<string, unknown> = {}) => ({
  package: packageUrl(repository),
  channel: 'production',
  sequence,
  promotedAt: '2026-11-21T10:00:00Z',
  ...change,
})
const release = (version: string, purl = packageUrl(repository, digest)) => ({ purl, releaseId: version })
const provenance = (change: { repository?: string; ref?: string; builder?: string; extra?: object } = {}) => ({
  buildDefinition: {
    buildType: 'https://waybill.dev/build-types/render/v1',
    externalParameters: {
      source: {
        repository: change.repository ?? 'https://git.example.com/acme/shop',
        ref: change.ref ?? 'refs/heads/main',
      },
      ...change.extra,
    },
    resolvedDependencies: [{ uri: 'git+https://git.example.com/acme/shop', digest: { gitCommit: 'a'.repeat(40) } }],
  },
  runDetails: { builder: { id: change.builder ?? 'https://ci.example.com' }, metadata: { invocationId: 'run-7' } },
})

function signed(role: StatementRole, predicate: object = {}, key: SigningKey = ci, subject = digest): Uint8Array {
  return writeBundle(statement(subject, role, { ...predicate }), key)
}

type Change = {
  repositories?: string[]
  state?: 'active' | 'retired' | 'revoked'
  require?: object
  authorities?: object[]
  name?: string
}

function policy({
  repositories = [repository],
  state = 'active',
  require = {},
  authorities,
  name = 'shop',
}: Change = {}) {
  return parseTrustPolicy(name, {
    repositories,
    authorities: authorities ?? [{ name: 'ci', state, key: { pem: ci.publicKeyPem } }],
    require: { signature: { by: ['ci'] }, ...require },
  })
}

const by = ['ci']
const strict = policy({
  require: {
    provenance: {
      by,
      builderId: 'https://ci.example.com',
      sourceRepository: 'https://git.example.com/acme/shop',
      sourceRefs: ['refs/heads/main', 'refs/tags/v*'],
    },
    release: { by },
    promotion: { by },
  },
})

function refuses(
  code: ErrorCode,
  bundles: readonly Uint8Array[],
  { policies = [policy()], ask = query }: { policies?: readonly TrustPolicy[]; ask?: TrustQuery } = {},
  words = /./,
): void {
  assert.throws(
    () => evaluateTrust(policies, ask, bundles),
    (error) => hasCode(error, code) && words.test(error.message),
  )
}

test('an artifact that the policy’s authority signed is trusted, and the signer is named', () => {
  const bundle = signed('signature')
  const trusted = evaluateTrust([policy()], query, [bundle])
  assert.deepEqual(trusted.signers, [
    { role: 'signature', authority: 'ci', policy: 'shop', key: ci.fingerprint, state: 'active' },
  ])
  assert.deepEqual(trusted.usedBundles, [digestOf(bundle)])
})

test('without a policy that covers the repository nothing is trusted', () => {
  refuses('POLICY_MISSING', [signed('signature')], { policies: [] })
  refuses('POLICY_MISSING', [signed('signature')], {
    policies: [policy({ repositories: ['registry.example.com/acme/*/x'] })],
  })
})

test('a policy for a mirror alone does not cover the package that it mirrors', () => {
  const ask = { ...query, repository: 'mirror.example.com/shop' }
  refuses('POLICY_MISSING', [signed('signature')], {
    policies: [policy({ repositories: ['mirror.example.com/**'] })],
    ask,
  })
})

test('every policy that matches must accept, those of the mirror’s repository too', () => {
  const ask = { ...query, repository: 'mirror.example.com/shop' }
  const mirrors = policy({
    name: 'mirrors',
    repositories: ['mirror.example.com/**'],
    authorities: [{ name: 'ci', key: { pem: stranger.publicKeyPem } }],
  })
  refuses('SIGNER_UNTRUSTED', [signed('signature')], { policies: [policy(), mirrors], ask })
  const both = [signed('signature'), signed('signature', {}, stranger)]
  const trusted = evaluateTrust([policy(), mirrors], ask, both)
  assert.deepEqual(
    trusted.policies.map(({ name }) => name),
    ['shop', 'mirrors'],
  )
})

test('where policies say which places hold copies, every one that covers the package has to name the place', () => {
  const canonical = 'registry.example.com/acme/shop'
  const here = { canonical, repository: 'mirror.example.com/far/shop' }
  const ask = (...policies: TrustPolicy[]) => requireMirror(policies, here)
  const only = (...mirrors: string[]) => ({ ...policy(), spec: { ...policy().spec, mirrors } })
  ask(policy(), only('mirror.example.com/far/*'))
  requireMirror([only()], { canonical, repository: canonical })
  for (const refusing of [only(), only('mirror.example.com/near/**'), only('other.example.com/**')])
    assert.throws(() => ask(only('mirror.example.com/**'), refusing), { code: 'MIRROR_UNTRUSTED' })
  const ofOthers = policy({ repositories: ['registry.example.com/other/**'] })
  ask(policy(), { ...ofOthers, spec: { ...ofOthers.spec, mirrors: [] } })
})

test('an artifact with nothing attached is not signed', () => {
  refuses('SIGNATURE_MISSING', [])
})

test('a signature by a key outside the policy does not count', () => {
  refuses('SIGNER_UNTRUSTED', [signed('signature', {}, stranger)])
})

test('a signature by an authority that the policy names for promotions alone does not count', () => {
  const authorities = [
    { name: 'ci', key: { pem: stranger.publicKeyPem } },
    { name: 'promoter', key: { pem: ci.publicKeyPem } },
  ]
  const policies = [policy({ authorities, require: { promotion: { by: ['promoter'] } } })]
  refuses('SIGNER_UNTRUSTED', [signed('signature')], { policies }, /promoter/)
})

test('a statement of another type by the trusted key is not a signature', () => {
  refuses('PREDICATE_UNEXPECTED', [signed('provenance', provenance())])
  refuses('PREDICATE_UNEXPECTED', [signed('release', release('1.0.0')), signed('promotion', promotion(1))])
})

test('a signature over another artifact does not count', () => {
  refuses('SUBJECT_MISMATCH', [signed('signature', {}, ci, other)])
})

test('a signature over several artifacts counts when ours is one of them', () => {
  const both: Statement = { ...statement(other, 'signature', {}), subject: [] }
  const subjects = [other, digest].map((one) => ({ digest: { sha256: one.slice(7) } }))
  evaluateTrust([policy()], query, [writeBundle({ ...both, subject: subjects }, ci)])
  refuses('SUBJECT_MISMATCH', [writeBundle({ ...both, subject: subjects.slice(0, 1) }, ci)])
})

test('one promotion cannot serve several artifacts', () => {
  const ask = { ...query, channel: 'production' }
  const subject = [other, digest].map((one) => ({ digest: { sha256: one.slice(7) } }))
  const shared = writeBundle({ ...statement(digest, 'promotion', promotion(7)), subject }, ci)
  const policies = [policy({ require: { promotion: { by } } })]
  refuses('SUBJECT_MISMATCH', [signed('signature'), shared], { policies, ask })
})

test('a subject under another hash algorithm is not ours', () => {
  const subject = [{ digest: { sha512: digest.slice(7) } }]
  refuses('SUBJECT_MISMATCH', [writeBundle({ ...statement(digest, 'signature', {}), subject }, ci)])
})

test('a retired signer is good for what ran here, and for nothing new', () => {
  const policies = [policy({ state: 'retired' })]
  refuses('SIGNER_RETIRED', [signed('signature')], { policies })
  const trusted = evaluateTrust(policies, { ...query, ranBefore: true }, [signed('signature')])
  assert.equal(trusted.signers[0]?.state, 'retired')
})

test('a revoked signer is good for nothing, not even for what ran here', () => {
  const policies = [policy({ state: 'revoked' })]
  refuses('SIGNER_REVOKED', [signed('signature')], { policies })
  refuses('SIGNER_REVOKED', [signed('signature')], { policies, ask: { ...query, ranBefore: true } })
})

test('an artifact that an active and a revoked signer signed stays trusted', () => {
  const authorities = [
    { name: 'ci', key: { pem: ci.publicKeyPem } },
    { name: 'old', state: 'revoked', key: { pem: stranger.publicKeyPem } },
  ]
  const policies = [policy({ authorities, require: { signature: { by: ['ci', 'old'] } } })]
  const trusted = evaluateTrust(policies, query, [signed('signature', {}, stranger), signed('signature')])
  assert.deepEqual(
    trusted.signers.map(({ authority }) => authority),
    ['ci'],
  )
})

test('a key that is revoked under one name is not good under another', () => {
  const authorities = [
    { name: 'ci', key: { pem: ci.publicKeyPem } },
    { name: 'old', state: 'revoked', key: { pem: ci.publicKeyPem } },
  ]
  refuses('SIGNER_REVOKED', [signed('signature')], { policies: [policy({ authorities })] })
})

test('a policy whose key cannot be read is a fault of the policy', () => {
  const authorities = [{ name: 'ci', key: { pem: 'nonsense' } }]
  refuses('POLICY_INVALID', [signed('signature')], { policies: [policy({ authorities })] }, /authority ci/)
})

test('a field that a policy does not have is told with where it stands', () => {
  assert.throws(() => parseTrustPolicy('p', { keys: [] }), /; spec: Unrecognized key: "keys"/)
  assert.throws(() => parseTrustPolicy('p', { require: { signed: {} } }), /spec\.require: Unrecognized key: "signed"/)
})

test('a policy that holds a private key is refused', () => {
  const authorities = [{ name: 'ci', key: { pem: ci.pem } }]
  refuses('POLICY_INVALID', [signed('signature')], { policies: [policy({ authorities })] })
})

test('provenance that the policy asks for must be there', () => {
  refuses('PROVENANCE_MISSING', [signed('signature')], { policies: [strict] })
})

test('provenance from another repository, ref or builder is refused', () => {
  const policies = [strict]
  const with_ = (change: object) => [signed('signature'), signed('provenance', provenance(change))]
  refuses('PROVENANCE_SOURCE', with_({ repository: 'https://evil.example.com/x' }), { policies })
  refuses('PROVENANCE_REF', with_({ ref: 'refs/heads/mainline' }), { policies })
  refuses('PROVENANCE_BUILDER', with_({ builder: 'https://ci.example.com/other' }), { policies })
  evaluateTrust(policies, query, with_({ ref: 'refs/tags/v1.4.2' }))
})

test('provenance with an external parameter that nobody knows is refused', () => {
  const bundles = [signed('signature'), signed('provenance', provenance({ extra: { inject: 'x' } }))]
  refuses('PROVENANCE_INVALID', bundles, { policies: [strict] })
})

test('provenance by a stranger does not count', () => {
  refuses('SIGNER_UNTRUSTED', [signed('signature'), signed('provenance', provenance(), stranger)], {
    policies: [strict],
  })
})

test('trusted provenance says where the artifact came from', () => {
  const trusted = evaluateTrust([strict], query, [signed('signature'), signed('provenance', provenance())])
  assert.deepEqual(trusted.provenance, {
    builderId: 'https://ci.example.com',
    sourceRepository: 'https://git.example.com/acme/shop',
    ref: 'refs/heads/main',
    revision: `sha1:${'a'.repeat(40)}`,
    invocationId: 'run-7',
  })
})

test('a channel needs a promotion into that very channel', () => {
  const policies = [policy({ require: { promotion: { by } } })]
  const ask = { ...query, channel: 'production' }
  refuses('PROMOTION_MISSING', [signed('signature')], { policies, ask })
  const staging = signed('promotion', promotion(3, { channel: 'staging' }))
  refuses('PROMOTION_MISSING', [signed('signature'), staging], { policies, ask }, /staging/)
})

test('a policy that names nobody for promotions lets nobody promote', () => {
  const ask = { ...query, channel: 'production' }
  refuses('PROMOTION_MISSING', [signed('signature'), signed('promotion', promotion(3))], { ask }, /lets nobody promote/)
})

test('a promotion of another package under the same key is refused', () => {
  const policies = [policy({ require: { promotion: { by } } })]
  const foreign = promotion(3, { package: packageUrl('registry.example.com/acme/billing') })
  const ask = { ...query, channel: 'production' }
  refuses('PACKAGE_MISMATCH', [signed('signature'), signed('promotion', foreign)], { policies, ask })
})

test('a promotion by a stranger does not count, however high its number', () => {
  const policies = [policy({ require: { promotion: { by } } })]
  const ask = { ...query, channel: 'production' }
  const forged = signed('promotion', promotion(999), stranger)
  refuses('SIGNER_UNTRUSTED', [signed('signature'), forged], { policies, ask })
  const trusted = evaluateTrust(policies, ask, [signed('signature'), forged, signed('promotion', promotion(4))])
  assert.equal(trusted.promotion?.sequence, 4)
})

test('of several promotions the highest counts, whatever order the registry gives', () => {
  const policies = [policy({ require: { promotion: { by } } })]
  const ask = { ...query, channel: 'production' }
  const bundles = [signed('signature'), ...[5, 20, 7].map((n) => signed('promotion', promotion(n)))]
  assert.equal(evaluateTrust(policies, ask, bundles).promotion?.sequence, 20)
  assert.deepEqual(evaluateTrust(policies, ask, bundles.toReversed()), evaluateTrust(policies, ask, bundles))
})

test('the purl of a promotion may be spelled with or without percent signs', () => {
  const policies = [policy({ require: { promotion: { by } } })]
  const spelled = promotion(3, { package: `pkg:oci/shop?repository_url=${repository}` })
  evaluateTrust(policies, { ...query, channel: 'production' }, [signed('signature'), signed('promotion', spelled)])
})

test('a version needs a release statement that binds it to this digest', () => {
  const policies = [strict]
  const ask = { ...query, version: '1.4.2' }
  const basis = [signed('signature'), signed('provenance', provenance())]
  refuses('RELEASE_MISSING', basis, { policies, ask })
  refuses('RELEASE_MISSING', [...basis, signed('release', release('1.4.1'))], { policies, ask }, /1\.4\.1/)
  const foreign = signed('release', release('1.4.2', packageUrl('registry.example.com/acme/billing', digest)))
  refuses('PACKAGE_MISMATCH', [...basis, foreign], { policies, ask })
  const moved = signed('release', release('1.4.2', packageUrl(repository, other)))
  refuses('PACKAGE_MISMATCH', [...basis, moved], { policies, ask })
  const trusted = evaluateTrust(policies, ask, [...basis, signed('release', release('1.4.2'))])
  assert.deepEqual(trusted.releases, ['1.4.2'])
})

test('a policy that names nobody for releases lets nobody make versions', () => {
  const bundles = [signed('signature'), signed('release', release('1.4.2'))]
  refuses('RELEASE_MISSING', bundles, { ask: { ...query, version: '1.4.2' } }, /lets nobody release/)
})

test('trusted versions are told even when none was asked for, and those of strangers are not', () => {
  const policies = [policy({ require: { release: { by } } })]
  const bundles = [
    signed('signature'),
    signed('release', release('1.4.2')),
    signed('release', release('6.6.6'), stranger),
  ]
  assert.deepEqual(evaluateTrust(policies, query, bundles).releases, ['1.4.2'])
})

test('policies must agree on the promotion', () => {
  const promoting = (name: string, who: SigningKey) =>
    policy({
      name,
      authorities: [
        { name: 'ci', key: { pem: ci.publicKeyPem } },
        { name: 'promoter', key: { pem: who.publicKeyPem } },
      ],
      require: { promotion: { by: ['promoter'] } },
    })
  const second = makeKey()
  const policies = [promoting('one', stranger), promoting('two', second)]
  const ask = { ...query, channel: 'production' }
  const five = signed('promotion', promotion(5), stranger)
  const six = signed('promotion', promotion(6), second)
  refuses('PROMOTION_MISSING', [signed('signature'), five, six], { policies, ask }, /agree on no promotion/)
  const alsoFive = signed('promotion', promotion(5), second)
  const trusted = evaluateTrust(policies, ask, [signed('signature'), five, six, alsoFive])
  assert.equal(trusted.promotion?.sequence, 5)
})

test('all refusals are told, and the checks that passed too', () => {
  const { checks, error } = explainTrust([strict], { ...query, channel: 'production' }, [signed('signature')])
  assert.deepEqual(
    checks.map(({ check, ok, code }) => [check, ok, code]),
    [
      ['signature', true, undefined],
      ['provenance', false, 'PROVENANCE_MISSING'],
      ['promotion', false, 'PROMOTION_MISSING'],
    ],
  )
  assert.deepEqual(
    error?.faults.map(({ code }) => code),
    ['PROVENANCE_MISSING', 'PROMOTION_MISSING'],
  )
})
