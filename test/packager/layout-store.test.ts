import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestHex, digestOf } from '../../contract/digest.ts'
import { hasCode } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { writeLayout } from '../../packager/layout.ts'
import { openLayout } from '../../packager/layout-store.ts'
import { push } from '../../packager/publish/push.ts'
import { makeRelease } from '../fakes/release.ts'
import { type OpenPlace, publishSuite } from './publish/publish-suite.ts'
import { tempFolder } from './repository.ts'

const openLayoutPlace: OpenPlace = async () => {
  const store = openLayout(join(tempFolder(), 'layout'))
  return { host: 'registry.example.com', reader: store, writer: store }
}

// One process writes at a time, so what registries promise to several at once is left out.
publishSuite('layout', openLayoutPlace, { together: false })

const repository = { registry: '', path: '', repository: 'layout' }
const names = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).manifests.map(
    (entry: { digest: string; annotations?: object }) => [entry.digest, ...Object.values(entry.annotations ?? {})],
  )

test('a digest has an entry for each of its names, and one without a name only while it has none', async () => {
  const folder = tempFolder()
  const store = openLayout(folder)
  const [one, two] = [
    makeRelease('registry.example.com/a/shop', 'one'),
    makeRelease('registry.example.com/a/shop', 'two'),
  ]
  for (const { manifest } of [one, two]) await store.pushManifest(repository, manifest, 'x/y')
  await store.tag(repository, one.digest, '1.0.0')
  await store.tag(repository, one.digest, 'production')
  assert.deepEqual(names(folder), [[two.digest], [one.digest, '1.0.0'], [one.digest, 'production']])
  await store.tag(repository, two.digest, 'production')
  assert.deepEqual(names(folder), [
    [one.digest, '1.0.0'],
    [two.digest, 'production'],
  ])
  await store.tag(repository, one.digest, 'production')
  assert.deepEqual(names(folder).length, 3)
  assert.deepEqual([...(await store.releases())].sort(), [one.digest, two.digest].sort())
})

test('what was packed is published into the same layout, and what was damaged is written again', async () => {
  const folder = tempFolder()
  const packed = makeRelease('registry.example.com/a/shop')
  await writeLayout(folder, packed)
  const store = openLayout(folder)
  const file = join(folder, 'blobs/sha256', digestHex(packed.digest))
  writeFileSync(file, Buffer.alloc(packed.manifest.length))
  await assert.rejects(store.fetchManifest(repository, packed.digest), (error) => hasCode(error, 'DIGEST_MISMATCH'))
  await store.pushManifest(repository, packed.manifest, 'x/y')
  assert.deepEqual(Buffer.from(await store.fetchManifest(repository, packed.digest)), Buffer.from(packed.manifest))
  assert.deepEqual(names(folder), [[packed.digest]])
})

test('a folder that is no layout is not written to', async () => {
  const folder = tempFolder()
  writeFileSync(join(folder, 'index.json'), '{"mine": true}')
  const { manifest } = makeRelease('registry.example.com/a/shop')
  await assert.rejects(openLayout(folder).pushManifest(repository, manifest, 'x/y'), (error) =>
    hasCode(error, 'FILE_UNREADABLE'),
  )
  assert.equal(readFileSync(join(folder, 'index.json'), 'utf8'), '{"mine": true}')
})

test('who was stopped between a manifest and the index that lists it goes on from there', async () => {
  const folder = tempFolder()
  const store = openLayout(folder)
  const packed = makeRelease('registry.example.com/a/shop')
  await store.pushBlob(repository, packed.manifest, 'x/y')
  await push(packed, repository, { writer: store, reader: store })
  await store.tag(repository, packed.digest, '1.0.0')
  assert.deepEqual(names(folder), [[packed.digest, '1.0.0']])
})

test('what else a layout lists is passed over: other JSON, digests of other kinds, what is too big, and more than may be open at once', async () => {
  const folder = tempFolder()
  const store = openLayout(folder)
  const { manifest, digest } = makeRelease('registry.example.com/a/shop')
  await store.pushManifest(repository, manifest, 'x/y')
  const strange = ['[]', 'null', 'not JSON', '{"artifactType":7}', `{"subject":{"digest":"sha512:${'a'.repeat(128)}"}}`]
  const many = Array.from({ length: 300 }, (_, i) => `{"nr":${i}}`)
  const entries = [{ digest }]
  for (const text of [...strange, ...many, 'x'.repeat(LIMITS.manifestBytesMax + 1)]) {
    writeFileSync(join(folder, 'blobs/sha256', digestHex(digestOf(text))), text)
    entries.push({ digest: digestOf(text) })
  }
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ manifests: entries }))
  const program = `import { openLayout } from ${JSON.stringify(import.meta.resolve('../../packager/layout-store.ts'))}
    console.log((await openLayout(process.argv[1]).releases()).join())`
  const run = ['-c', 'ulimit -n 128; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', program, folder]
  assert.equal(execFileSync('sh', run, { encoding: 'utf8' }).trim(), digest)
  assert.deepEqual(await store.fetchBundles(repository, digest), [])
})

test('a blob that is a link to a device, which may have no end, is not read', async () => {
  const folder = tempFolder()
  const store = openLayout(folder)
  const { manifest, digest } = makeRelease('registry.example.com/a/shop')
  await store.pushManifest(repository, manifest, 'x/y')
  const file = join(folder, 'blobs/sha256', digestHex(digest))
  rmSync(file)
  symlinkSync('/dev/null', file)
  await assert.rejects(store.fetchManifest(repository, digest), (error) => hasCode(error, 'FILE_UNREADABLE'))
})
