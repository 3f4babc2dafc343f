import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type ErrorCode, hasCode, WaybillError } from '../../../contract/errors.ts'
import { parseReference, parseRepository } from '../../../contract/reference.ts'
import type { RegistryReader } from '../../../contract/registry/registry.ts'
import { evaluateTrust } from '../../../contract/trust/trust.ts'
import { parseTrustPolicy } from '../../../contract/trust/trust-policy.ts'
import type { SigningKey } from '../../../packager/publish/keys.ts'
import { promote } from '../../../packager/publish/promote.ts'
import { type Publishable, type PublishOptions, publish } from '../../../packager/publish/publish.ts'
import type { RegistryWriter } from '../../../packager/publish/registry-writer.ts'
import { attach } from '../../../packager/publish/sign.ts'
import { makeKey } from '../../fakes/keys.ts'
import { makeRelease } from '../../fakes/release.ts'

/** A registry to publish to, of whatever kind, and the two ways to reach it. */
export type Place = {
  readonly host: string
  readonly reader: RegistryReader
  readonly writer: RegistryWriter
}

/** Opens a place, and closes it after the test. */
export type OpenPlace = (t: TestContext) => Promise<Place>

const now = new Date('2026-11-21T10:00:00Z')
const unixNow = now.getTime() / 1000
const build = { builderId: 'https://ci.example.com', ref: 'refs/heads/main', tools: { waybill: '0.1.0' } }
let count = 0

/** A setting of its own for each test: repository, key, and what is called most. */
export async function settle(t: TestContext, open: OpenPlace) {
  const place = await open(t)
  const repository = parseRepository(`${place.host}/acme/shop-${++count}`)
  const key = makeKey()
  const options = (change: Partial<PublishOptions> = {}): PublishOptions => ({ ...place, key, build, now, ...change })
  const resolve = async (tag: string) => {
    try {
      return await place.reader.resolveTag(repository, tag)
    } catch (error) {
      if (hasCode(error, 'REGISTRY_NOT_FOUND')) return undefined
      throw error
    }
  }
  return {
    ...place,
    repository,
    key,
    options,
    resolve,
    release: (content?: string) => makeRelease(repository.repository, content),
    bundles: (packed: Publishable) => place.reader.fetchBundles(repository, packed.digest),
  }
}

export function policyFor(repository: string, signer: SigningKey, promoter: SigningKey = signer) {
  return parseTrustPolicy('shop', {
    repositories: [repository],
    authorities: [
      { name: 'ci', key: { pem: signer.publicKeyPem } },
      { name: 'promoter', key: { pem: promoter.publicKeyPem } },
    ],
    require: {
      signature: { by: ['ci'] },
      provenance: { by: ['ci'], builderId: 'https://ci.example.com', sourceRefs: ['refs/heads/main'] },
      release: { by: ['ci'] },
      promotion: { by: signer === promoter ? ['ci'] : ['promoter'] },
    },
  })
}

export function fails(promise: Promise<unknown>, code: ErrorCode, words = /./): Promise<void> {
  return assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof WaybillError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, words)
    return true
  })
}

/** A writer that breaks at its write number `at`, counted from 0. */
function breaking(writer: RegistryWriter, at: number): RegistryWriter & { readonly broke: () => boolean } {
  let writes = 0
  const step = async <T>(write: () => Promise<T>): Promise<T> => {
    if (writes++ === at) throw new WaybillError('REGISTRY_UNREACHABLE', 'the network went away')
    return write()
  }
  return {
    broke: () => writes > at,
    pushBlob: (...args) => step(() => writer.pushBlob(...args)),
    pushManifest: (...args) => step(() => writer.pushManifest(...args)),
    tag: (...args) => step(() => writer.tag(...args)),
  }
}

/** What publishing and promoting promise on every registry; with `together: false`, to one writer at a time. */
export function publishSuite(where: string, open: OpenPlace, { together = true } = {}): void {
  test(`${where}: what is published is what a strict policy accepts, under its version and channel`, async (t) => {
    const { release, options, reader, repository, resolve, bundles, key } = await settle(t, open)
    const packed = release()
    const published = await publish(packed, options({ version: '1.0.0', channel: 'production' }))
    assert.equal(published.reference, `${repository.repository}@${packed.digest}`)
    assert.equal(published.changed, true)
    assert.deepEqual(published.channel, { name: 'production', sequence: unixNow })
    assert.equal(await resolve('1.0.0'), packed.digest)
    assert.equal(await resolve('production'), packed.digest)
    const name = repository.repository
    const query = { repository: name, canonical: name, digest: packed.digest, ranBefore: false }
    const asked = { ...query, channel: 'production', version: '1.0.0' }
    const trusted = evaluateTrust([policyFor(name, key)], asked, await bundles(packed))
    assert.deepEqual(trusted.releases, ['1.0.0'])
    assert.equal(trusted.provenance?.revision, packed.release.source.revision)
    assert.equal((await reader.fetchManifest(repository, packed.digest)).length, packed.manifest.length)
  })

  test(`${where}: publishing the same again succeeds and writes nothing`, async (t) => {
    const { release, options, writer, bundles } = await settle(t, open)
    const packed = release()
    const wanted = { version: '1.0.0', channel: 'production' }
    await publish(packed, options(wanted))
    const before = (await bundles(packed)).length
    const later = { now: new Date('2026-11-22T10:00:00Z'), build: { ...build, invocationId: 'another run' } }
    const again = await publish(packed, options({ ...wanted, ...later, writer: breaking(writer, 0) }))
    assert.equal(again.changed, false)
    assert.equal((await bundles(packed)).length, before)
    assert.equal(again.channel?.sequence, unixNow)
  })

  test(`${where}: a version is never moved, and the attempt leaves nothing behind`, async (t) => {
    const { release, options, resolve, reader, repository } = await settle(t, open)
    const [first, second] = [release('one'), release('two')]
    await publish(first, options({ version: '1.0.0' }))
    await fails(publish(second, options({ version: '1.0.0', channel: 'production' })), 'VERSION_TAKEN')
    assert.equal(await resolve('1.0.0'), first.digest)
    assert.equal(await resolve('production'), undefined)
    await fails(reader.fetchManifest(repository, second.digest), 'REGISTRY_NOT_FOUND')
  })

  test(`${where}: a failure at any write moves no name before its time, and publishing again completes`, async (t) => {
    const { options, writer, resolve, repository, bundles, key } = await settle(t, open)
    for (let at = 0, broke = true; broke; at++) {
      const packed = makeRelease(repository.repository, `content-${at}`)
      const [version, channel] = [`1.0.${at}`, `stage-x${at}`]
      const failing = breaking(writer, at)
      const first = await publish(packed, options({ version, channel, writer: failing })).catch(() => undefined)
      broke = failing.broke()
      assert.equal(first === undefined, broke)
      const query = { repository: repository.repository, canonical: repository.repository, digest: packed.digest }
      for (const name of [version, channel])
        if ((await resolve(name)) !== undefined)
          evaluateTrust([policyFor(repository.repository, key)], { ...query, ranBefore: false }, await bundles(packed))
      if (broke) assert.equal(await resolve(channel), undefined)
      await publish(packed, options({ version, channel }))
      assert.deepEqual([await resolve(version), await resolve(channel)], [packed.digest, packed.digest])
    }
  })

  if (together)
    test(`${where}: the same published by several at once is whole in the end`, async (t) => {
      const { release, options, bundles, repository, key, resolve } = await settle(t, open)
      const packed = release()
      await Promise.all([1, 2, 3].map(() => publish(packed, options({ version: '1.0.0' }))))
      await publish(packed, options({ version: '1.0.0' }))
      const query = { repository: repository.repository, canonical: repository.repository, digest: packed.digest }
      evaluateTrust([policyFor(repository.repository, key)], { ...query, ranBefore: false }, await bundles(packed))
      assert.equal(await resolve('1.0.0'), packed.digest)
    })

  test(`${where}: promoting forward and back is a new promotion each time, and names what was before`, async (t) => {
    const { release, options, repository, resolve } = await settle(t, open)
    const [one, two] = [release('one'), release('two')]
    await publish(one, options({ version: '1.0.0' }))
    await publish(two, options({ version: '2.0.0' }))
    const to = (version: string) =>
      promote(parseReference(`${repository.repository}:${version}`), { ...options(), channel: 'production' })
    const first = await to('1.0.0')
    assert.deepEqual([first.sequence, first.previous, first.changed], [unixNow, undefined, true])
    const second = await to('2.0.0')
    assert.deepEqual([second.sequence, second.previous], [unixNow + 1, one.digest])
    const back = await to('1.0.0')
    assert.deepEqual([back.sequence, back.previous], [unixNow + 2, two.digest])
    assert.equal(await resolve('production'), one.digest)
    const same = await to('1.0.0')
    assert.deepEqual([same.sequence, same.changed], [unixNow + 2, false])
  })

  test(`${where}: what nobody signed, or somebody else did, cannot be promoted`, async (t) => {
    const { release, options, writer, repository, resolve, key } = await settle(t, open)
    const { config, layer, manifest, digest } = release()
    await writer.pushBlob(repository, config, 'application/octet-stream')
    await writer.pushBlob(repository, layer, 'application/octet-stream')
    await writer.pushManifest(repository, manifest, 'application/vnd.oci.image.manifest.v1+json')
    const target = { ...repository, digest }
    await fails(promote(target, { ...options(), channel: 'production' }), 'NOT_PUBLISHED')
    const promoter = makeKey()
    await publish(release(), options())
    const byOther = { ...options({ key: promoter }), channel: 'production' }
    await fails(promote(target, byOther), 'NOT_PUBLISHED')
    assert.equal(await resolve('production'), undefined)
    await promote(target, { ...byOther, policies: [policyFor(repository.repository, key, promoter)] })
    assert.equal(await resolve('production'), digest)
  })

  test(`${where}: a signature by somebody else does not spare us our own`, async (t) => {
    const { release, options, repository, bundles, key } = await settle(t, open)
    const packed = release()
    await publish(packed, options({ key: makeKey() }))
    const { attestations } = await publish(packed, options())
    assert.deepEqual(
      attestations.map(({ role, written }) => [role, written]),
      [
        ['signature', true],
        ['provenance', true],
      ],
    )
    const query = { repository: repository.repository, canonical: repository.repository, digest: packed.digest }
    evaluateTrust([policyFor(repository.repository, key)], { ...query, ranBefore: false }, await bundles(packed))
  })

  test(`${where}: a tag that was moved by hand does not make a number be used twice`, async (t) => {
    const { release, options, repository, writer } = await settle(t, open)
    const [one, two] = [release('one'), release('two')]
    await publish(one, options({ channel: 'production' }))
    const second = await publish(two, options({ channel: 'production' }))
    await writer.tag(repository, one.digest, 'production')
    const third = await publish(two, options({ channel: 'production' }))
    assert.ok((third.channel?.sequence ?? 0) > (second.channel?.sequence ?? 0))
  })

  test(`${where}: a release of another package cannot be promoted here`, async (t) => {
    const { options, repository, writer, key } = await settle(t, open)
    const foreign = makeRelease(`${repository.repository}-else`)
    await publish(foreign, options())
    const copied = makeRelease(repository.repository)
    await publish(copied, options())
    await writer.pushBlob(repository, foreign.config, 'application/octet-stream')
    await writer.pushBlob(repository, foreign.layer, 'application/octet-stream')
    await writer.pushManifest(repository, foreign.manifest, 'application/vnd.oci.image.manifest.v1+json')
    await attach(
      { role: 'signature', predicate: {}, holds: () => true },
      { repository, digest: foreign.digest, size: foreign.manifest.length },
      { key, writer, now },
    )
    await fails(
      promote({ ...repository, digest: foreign.digest }, { ...options(), channel: 'production' }),
      'PACKAGE_MISMATCH',
    )
  })
}
