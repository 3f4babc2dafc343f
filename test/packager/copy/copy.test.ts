import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Digest, digestOf } from '../../../contract/digest.ts'
import type { Reference } from '../../../contract/reference.ts'
import type { Copier } from '../../../packager/copy/copier.ts'
import { type CopyEnd, type CopyOptions, copyRelease } from '../../../packager/copy/copy.ts'
import { type LayoutStore, openLayout } from '../../../packager/layout-store.ts'
import { type PublishOptions, publish } from '../../../packager/publish/publish.ts'
import { attach } from '../../../packager/publish/sign.ts'
import { makeKey } from '../../fakes/keys.ts'
import { makeRelease } from '../../fakes/release.ts'
import { fails } from '../publish/publish-suite.ts'
import { tempFolder } from '../repository.ts'

const key = makeKey()
const now = new Date('2026-11-21T10:00:00Z')
const repository: Reference = { registry: '', path: '', repository: 'layout' }
type End = CopyEnd & { readonly store: LayoutStore; readonly writer: LayoutStore }

function end(name: string): End {
  const folder = join(tempFolder(), name)
  const store = openLayout(folder)
  return { name, place: { kind: 'layout', folder }, repository, reader: store, store, writer: store }
}

/** Between layouts, in this process: the manifest, what it names, and the bundles, of which `lose` drops the last. */
function copierBetween(from: End, to: End, { lose = false } = {}): Copier & { readonly copies: Digest[] } {
  const copies: Digest[] = []
  return {
    copies,
    copy: async (_from, _to, digest) => {
      copies.push(digest)
      const manifest = await from.store.fetchManifest(repository, digest)
      const { config, layers } = JSON.parse(Buffer.from(manifest).toString())
      for (const descriptor of [config, ...layers]) {
        const bytes = await from.store.fetchBlob(repository, descriptor, descriptor.size)
        await to.store.pushBlob(repository, bytes, descriptor.mediaType)
      }
      await to.store.pushManifest(repository, manifest, 'application/vnd.oci.image.manifest.v1+json')
      const found = await from.store.fetchBundles(repository, digest)
      const bundles = [...found].sort((a, b) => (digestOf(a) < digestOf(b) ? -1 : 1))
      for (const bundle of lose ? bundles.slice(0, -1) : bundles) await attachAgain(to, digest, manifest.length, bundle)
    },
  }
}

async function attachAgain({ store }: End, digest: Digest, size: number, bundle: Uint8Array): Promise<void> {
  const type = 'application/vnd.dev.sigstore.bundle.v0.3+json'
  const empty = Buffer.from('{}')
  await store.pushBlob(repository, empty, 'application/vnd.oci.empty.v1+json')
  await store.pushBlob(repository, bundle, type)
  const referrer = {
    schemaVersion: 2,
    artifactType: type,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: empty.length },
    layers: [{ mediaType: type, digest: digestOf(bundle), size: bundle.length }],
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size },
  }
  await store.pushManifest(
    repository,
    Buffer.from(JSON.stringify(referrer)),
    'application/vnd.oci.image.manifest.v1+json',
  )
}

function settle(_t: TestContext, change: { readonly lose?: boolean } = {}) {
  const [from, to] = [end('from'), end('to')]
  const copier = copierBetween(from, to, change)
  const release = (content?: string) => makeRelease('registry.example.com/acme/shop', content)
  const put = (where: End, packed: ReturnType<typeof release>, more: Partial<PublishOptions> = {}) =>
    publish(packed, { reader: where.store, writer: where.store, key, now, build: { builderId: 'ci' }, ...more })
  const copy = (digest: Digest, more: Partial<CopyOptions> = {}) =>
    copyRelease({ from, to, digest, channels: [], copier, ...more })
  const names = async (...tags: readonly string[]) =>
    Promise.all(tags.map((tag) => to.store.resolveTag(repository, tag).catch(() => undefined)))
  return { from, to, copier, release, put, copy, names }
}

test('the names of a copy are its versions, the tag that was asked for, and the channels given; all others stay', async (t) => {
  const { from, release, put, copy, names } = settle(t)
  const { digest } = await put(from, release(), { version: '1.0.0', channel: 'production' })
  await put(from, release(), { version: '1.0.1', channel: 'staging' })
  const { tags } = await copy(digest, { tag: 'staging' })
  assert.deepEqual(tags.map(({ name }) => name).sort(), ['1.0.0', '1.0.1', 'staging'])
  assert.deepEqual(await names('1.0.0', '1.0.1', 'staging', 'production'), [digest, digest, digest, undefined])
  await copy(digest, { channels: ['production'] })
  assert.deepEqual(await names('production'), [digest])
})

test('a version that a stranger’s statement names, and the source does not, names nothing', async (t) => {
  const { from, release, put, copy, names } = settle(t)
  const packed = release()
  const { digest } = await put(from, packed, { version: '1.0.0' })
  await attach(
    { role: 'release', predicate: { purl: 'pkg:oci/shop', releaseId: '9.0.0' }, holds: () => false },
    { repository, digest, size: packed.manifest.length },
    { key: makeKey(), writer: from.store, now },
  )
  await copy(digest)
  assert.deepEqual(await names('1.0.0', '9.0.0'), [digest, undefined])
})

test('what is refused is refused before anything is copied', async (t) => {
  const { from, to, release, put, copy, copier } = settle(t)
  const [one, two, bare] = [release('one'), release('two'), release('three')]
  await put(from, one, { version: '1.0.0', channel: 'production' })
  await put(from, two, { version: '2.0.0' })
  await put(to, two, { version: '1.0.0' })
  for (const [bytes, type] of [
    [bare.config, 'c'],
    [bare.layer, 'l'],
  ] as const)
    await from.store.pushBlob(repository, bytes, type)
  await from.store.pushManifest(repository, bare.manifest, 'application/vnd.oci.image.manifest.v1+json')
  await fails(copy(one.digest), 'VERSION_TAKEN', /1\.0\.0/)
  await fails(copy(two.digest, { channels: ['production'] }), 'CHANNEL_ELSEWHERE', /production/)
  await fails(copy(two.digest, { channels: ['1.0.0'] }), 'CHANNEL_INVALID')
  await fails(copy(bare.digest), 'NOT_PUBLISHED', /no signature/)
  assert.deepEqual(copier.copies, [])
})

test('a destination that loses what is attached is asked again, and then gets no name', async (t) => {
  const { from, release, put, copy, names, copier } = settle(t, { lose: true })
  const { digest } = await put(from, release(), { version: '1.0.0', channel: 'production' })
  await fails(copy(digest, { channels: ['production'] }), 'READ_BACK_FAILED')
  assert.ok(copier.copies.length > 1)
  assert.deepEqual(await names('1.0.0', 'production'), [undefined, undefined])
})

test('a name that does not stay where it was set is noticed', async (t) => {
  const { from, to, release, put, copy } = settle(t)
  const { digest } = await put(from, release(), { channel: 'production' })
  const writer = { tag: async () => {} }
  await fails(copy(digest, { channels: ['production'], to: { ...to, writer } }), 'READ_BACK_FAILED', /production/)
})
