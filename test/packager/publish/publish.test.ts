import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../../contract/digest.ts'
import { createRegistryReader } from '../../../contract/registry/registry-client.ts'
import { parseTrustPolicy } from '../../../contract/trust/trust-policy.ts'
import { promote } from '../../../packager/publish/promote.ts'
import { publish, publishAll, versionOf } from '../../../packager/publish/publish.ts'
import type { RegistryWriter } from '../../../packager/publish/registry-writer.ts'
import { httpWriter } from '../../fakes/http-writer.ts'
import { makeKey } from '../../fakes/keys.ts'
import { type FakeRegistry, startFakeRegistry } from '../../fakes/registry.ts'
import { makeRelease } from '../../fakes/release.ts'
import { fails, type OpenPlace, publishSuite, settle } from './publish-suite.ts'

const registries = new Map<string, FakeRegistry>()

const openFake: OpenPlace = async (t) => {
  const registry = await startFakeRegistry()
  const reader = createRegistryReader({ plainHttp: true, requestMs: 2000 })
  registries.set(registry.host, registry)
  t.after(async () => {
    await reader.close()
    await registry.close()
  })
  return { host: registry.host, reader, writer: httpWriter() }
}

publishSuite('fake registry', openFake)

test('the version is the one given, or that of the commit’s one version tag, or none', () => {
  assert.equal(versionOf({ version: '2.0.0', gitTags: ['v1.0.0'] }), '2.0.0')
  assert.equal(versionOf({ gitTags: ['v1.4.2', 'nightly', 'version-3', 'v2'] }), '1.4.2')
  assert.equal(versionOf({ gitTags: [] }), undefined)
})

test('a commit with two version tags must be told which', async (t) => {
  const { release, options } = await settle(t, openFake)
  await fails(publish(release(), options({ gitTags: ['v1.0.0', 'v1.0.1'] })), 'VERSION_AMBIGUOUS', /v1\.0\.0, v1\.0\.1/)
})

test('a version or channel that cannot be one is refused before anything is written', async (t) => {
  const { release, options, host } = await settle(t, openFake)
  await fails(publish(release(), options({ version: '1.0' })), 'VERSION_INVALID')
  await fails(publish(release(), options({ channel: '1.0.0' })), 'CHANNEL_INVALID')
  assert.deepEqual(registries.get(host)?.requests, [])
})

test('a registry that loses what was attached gets no name moved', async (t) => {
  const { release, options, host, resolve } = await settle(t, openFake)
  registries
    .get(host)
    ?.when('GET', /referrers/)
    .lie('{"manifests":[]}')
  await fails(publish(release(), options({ version: '1.0.0', channel: 'production' })), 'READ_BACK_FAILED')
  assert.deepEqual([await resolve('1.0.0'), await resolve('production')], [undefined, undefined])
})

test('what others push off the list after it was seen there is attached again before anything gets a name', async (t) => {
  const { release, options, host, resolve } = await settle(t, openFake)
  const packed = release()
  // Listed before and after attaching; then gone when it is read back.
  registries
    .get(host)
    ?.when('GET', /referrers/)
    .after(2)
    .times(2)
    .lie('{"manifests":[]}')
  const { attestations } = await publish(packed, options({ version: '1.0.0' }))
  assert.ok(attestations.every(({ written }) => written))
  assert.equal(await resolve('1.0.0'), packed.digest)
})

test('a registry that gives back other layer bytes gets no name moved', async (t) => {
  const { release, options, host, resolve } = await settle(t, openFake)
  const packed = release()
  const layer = digestOf(packed.layer)
  registries.get(host)?.when('GET', new RegExp(layer)).lie(Buffer.alloc(packed.layer.length))
  await fails(publish(packed, options({ version: '1.0.0' })), 'READ_BACK_FAILED', /expected sha256/)
  assert.equal(await resolve('1.0.0'), undefined)
})

test('a version tag that somebody else set meanwhile is noticed', async (t) => {
  const { release, options, writer, repository, host } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options())
  const onStep = (step: string) => {
    if (step === 'reading back') registries.get(host)?.tag(repository.path, one.digest, '1.0.0')
  }
  await fails(publish(two, options({ version: '1.0.0', onStep, writer })), 'VERSION_TAKEN')
})

test('two promotions at the same time: the one that comes second is told', async (t) => {
  const { release, options, repository, host } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options())
  await publish(two, options())
  const onStep = (step: string) => {
    if (step === 'attaching the promotion') registries.get(host)?.tag(repository.path, one.digest, 'production')
  }
  const target = { ...repository, digest: two.digest }
  await fails(promote(target, { ...options({ onStep }), channel: 'production' }), 'PROMOTION_CONFLICT')
})

test('a tag put back by hand becomes a deliberate step with a promotion that gives a reason', async (t) => {
  const { release, options, repository, writer } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options({ channel: 'production' }))
  const second = await publish(two, options({ channel: 'production' }))
  await writer.tag(repository, one.digest, 'production')
  const later = new Date('2026-11-21T11:00:00Z')
  const promoted = await promote(
    { ...repository, digest: one.digest },
    { ...options({ now: later }), channel: 'production', reason: 'back, it leaks' },
  )
  assert.ok(promoted.changed && promoted.sequence > (second.channel?.sequence ?? 0))
})

test('a channel whose tag was deleted is set again by a promotion with a higher number', async (t) => {
  const { release, options, host, repository, resolve } = await settle(t, openFake)
  const packed = release()
  const first = await publish(packed, options({ channel: 'production' }))
  registries.get(host)?.untag(repository.path, 'production')
  const again = await publish(packed, options({ channel: 'production' }))
  assert.equal(again.channel?.sequence, (first.channel?.sequence ?? 0) + 1)
  assert.deepEqual([again.changed, again.channel?.previous], [true, undefined])
  assert.equal(await resolve('production'), packed.digest)
})

test('a version whose tag was deleted is named again, and nothing is attached twice', async (t) => {
  const { release, options, host, repository, resolve, bundles } = await settle(t, openFake)
  const packed = release()
  await publish(packed, options({ version: '1.0.0' }))
  const before = (await bundles(packed)).length
  registries.get(host)?.untag(repository.path, '1.0.0')
  const again = await publish(packed, options({ version: '1.0.0' }))
  assert.deepEqual(
    [again.changed, await resolve('1.0.0'), (await bundles(packed)).length],
    [true, packed.digest, before],
  )
})

test('the same built by another builder, from another ref or by another workflow is attested beside what is there', async (t) => {
  const { release, options } = await settle(t, openFake)
  const packed = release()
  const { build } = options()
  await publish(packed, options({ version: '1.0.0' }))
  for (const change of [
    { builderId: 'https://other.example.com' },
    { ref: 'refs/tags/v1.0.0' },
    { workflow: 'ci.yaml' },
  ]) {
    for (const changed of [true, false]) {
      const again = await publish(packed, options({ version: '1.0.0', build: { ...build, ...change } }))
      const written = again.attestations.filter((one) => one.written).map(({ role }) => role)
      assert.deepEqual([again.changed, written], [changed, changed ? ['provenance'] : []])
    }
  }
})

test('a channel named in the place of a version, or the other way round, changes no tag that is there', async (t) => {
  const { release, options, host, repository, key } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options({ version: '1.0.0', channel: 'production' }))
  await fails(publish(two, options({ version: 'production' })), 'VERSION_INVALID')
  const target = { ...repository, digest: one.digest }
  await fails(promote(target, { ...options(), key, channel: '1.0.0' }), 'CHANNEL_INVALID')
  const tagged = (tag: string) => registries.get(host)?.tagged(repository.path, tag)
  assert.deepEqual([tagged('1.0.0'), tagged('production')], [one.digest, one.digest])
})

test('a name that does not stay where it was set is noticed', async (t) => {
  const { release, options, host, repository, writer } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options())
  await publish(two, options())
  const meddled: RegistryWriter = {
    ...writer,
    tag: async (where, digest, tag) => {
      await writer.tag(where, digest, tag)
      registries.get(host)?.tag(repository.path, one.digest, tag)
    },
  }
  await fails(publish(two, options({ writer: meddled, version: '1.0.0' })), 'VERSION_TAKEN')
  await fails(publish(two, options({ writer: meddled, channel: 'production' })), 'PROMOTION_CONFLICT')
})

test('a number that a revoked key used does not count', async (t) => {
  const { release, options, repository, key } = await settle(t, openFake)
  const packed = release()
  const revoked = makeKey()
  const later = new Date('2036-11-21T10:00:00Z')
  await publish(packed, options({ key: revoked, channel: 'production', now: later }))
  await publish(packed, options())
  const [ci, old] = [key, revoked].map(({ publicKeyPem }) => ({ pem: publicKeyPem }))
  const policyWith = (state: 'active' | 'revoked') =>
    parseTrustPolicy('shop', {
      repositories: [repository.repository],
      authorities: [
        { name: 'ci', key: ci },
        { name: 'old', key: old, state },
      ],
      require: { signature: { by: ['ci'] }, promotion: { by: ['ci', 'old'] } },
    })
  const target = { ...repository, digest: packed.digest }
  const promoted = await promote(target, { ...options(), channel: 'production', policies: [policyWith('revoked')] })
  assert.equal(promoted.sequence, options().now.getTime() / 1000)
  const counted = await promote(target, {
    ...{ ...options(), channel: 'production', reason: 'again' },
    policies: [policyWith('active')],
  })
  assert.equal(counted.sequence, later.getTime() / 1000 + 1)
})

test('our own signature over another artifact, attached here by somebody, does not spare us one', async (t) => {
  const { release, options, host, repository, bundles } = await settle(t, openFake)
  const [one, two] = [release('one'), release('two')]
  await publish(one, options())
  for (const bundle of await bundles(one)) registries.get(host)?.attachBundle(repository.path, two.digest, bundle)
  const { attestations } = await publish(two, options())
  assert.deepEqual(
    attestations.map(({ written }) => written),
    [true, true],
  )
})

test('what is not the artifact of its digest is not pushed', async (t) => {
  const { release, options, host } = await settle(t, openFake)
  await fails(publish({ ...release('one'), digest: release('two').digest }, options()), 'DIGEST_MISMATCH')
  assert.deepEqual(registries.get(host)?.requests, [])
})

test('of several artifacts none gets a name while one of them is not signed', async (t) => {
  const { options, host, repository, resolve } = await settle(t, openFake)
  const [here, there] = [makeRelease(repository.repository), makeRelease(`${repository.repository}-production`)]
  const wanted = { version: '1.0.0', channel: 'production' }
  const both = () => publishAll([here, there].map((packed) => ({ packed, options: options(wanted) })))
  registries
    .get(host)
    ?.when('PUT', /-production\/manifests/)
    .status(500)
  await fails(both(), 'REGISTRY_FAILED')
  assert.deepEqual([await resolve('1.0.0'), await resolve('production')], [undefined, undefined])
  registries.get(host)?.behave()
  assert.deepEqual(
    (await both()).map(({ digest, version }) => [digest, version]),
    [here, there].map(({ digest }) => [digest, '1.0.0']),
  )
  registries.get(host)?.untag(`${repository.path}`, '1.0.0')
  const other = makeRelease(there.release.package.repository, 'other')
  await publish(other, options())
  registries.get(host)?.tag(`${repository.path}-production`, other.digest, '1.0.0')
  await fails(both(), 'VERSION_TAKEN')
  assert.equal(await resolve('1.0.0'), undefined)
})
