import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { LayerEntry } from '../../../tools/image/tar-layer.ts'
import { type ImageToWrite, writeImage } from '../../../tools/image/write-image.ts'
import { listLayer, readImage, unpackImage } from './read-image.ts'

const root = mkdtempSync(join(tmpdir(), 'waybill-write-image-'))
after(() => rmSync(root, { recursive: true }))
let count = 0
const fresh = () => join(root, `layout-${++count}`)

const long = `/srv/${'a-long-name/'.repeat(20)}end.txt`
const entries: readonly LayerEntry[] = [
  { kind: 'file', path: '/bin/pause', bytes: Buffer.from('#!'), mode: 0o755 },
  { kind: 'file', path: long, bytes: Buffer.from('long') },
  { kind: 'link', path: '/bin/wait', target: 'pause' },
  { kind: 'folder', path: '/tmp', mode: 0o1777 },
  { kind: 'folder', path: '/var/cache/mine', uid: 65532, gid: 65532 },
]
const image = (options: Partial<ImageToWrite> = {}): ImageToWrite => ({
  folder: fresh(),
  tag: '1.0.0',
  layers: [entries],
  config: { Entrypoint: ['/bin/pause'], User: '65532:65532' },
  architecture: 'amd64',
  ...options,
})

test('an image has the digest that its entries give, in whatever order they are named', async () => {
  const { digest } = await writeImage(image())
  assert.equal(digest, 'sha256:ec23470deb3e8c1d4ca8cc396159f0667573b85b7427b91cf49ce0b685c2f6d7')
  assert.equal((await writeImage(image({ layers: [entries.toReversed()] }))).digest, digest)
  assert.notEqual((await writeImage(image({ architecture: 'arm64' }))).digest, digest)
})

test('a layer holds what was named, and the folders on the way, with no time and no name of an owner', async () => {
  const to = image()
  await writeImage(to)
  const [layer = ''] = readImage(to.folder, '1.0.0').layerFiles
  const listed = await listLayer(layer)
  assert.deepEqual(
    listed
      .filter(({ path }) => !path.startsWith('srv/'))
      .map(({ path, type, mode, uid, gid }) => [path, type, mode, uid, gid]),
    [
      ['bin/', 'Directory', 0o755, 0, 0],
      ['bin/pause', 'File', 0o755, 0, 0],
      ['bin/wait', 'SymbolicLink', 0o777, 0, 0],
      ['tmp/', 'Directory', 0o1777, 0, 0],
      ['var/', 'Directory', 0o755, 0, 0],
      ['var/cache/', 'Directory', 0o755, 0, 0],
      ['var/cache/mine/', 'Directory', 0o755, 65532, 65532],
    ],
  )
  assert.ok(listed.some(({ path }) => `/${path}` === long))
  assert.deepEqual(new Set(listed.map(({ mtime }) => mtime?.getTime())), new Set([0]))
})

test('the config names each layer by its tar, and how it is run', async () => {
  const annotations = { 'org.opencontainers.image.title': 'pause' }
  const to = image({
    layers: [entries, [{ kind: 'file', path: '/etc/motd', bytes: Buffer.from('hello') }]],
    annotations,
  })
  const written = await writeImage(to)
  const { config, manifest, layerFiles, digest } = readImage(to.folder, '1.0.0')
  const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  assert.equal(digest, written.digest)
  assert.deepEqual(
    config.rootfs.diff_ids,
    layerFiles.map((file) => sha256(gunzipSync(readFileSync(file)))),
  )
  assert.deepEqual(
    manifest.layers.map(({ digest, size }) => [digest, size]),
    layerFiles.map((file) => [sha256(readFileSync(file)), readFileSync(file).length]),
  )
  assert.deepEqual(config.config, { ...to.config, Labels: annotations })
  assert.deepEqual(manifest.annotations, annotations)
  assert.deepEqual([config.os, config.architecture, config.created], ['linux', 'amd64', '1970-01-01T00:00:00Z'])
  const folder = fresh()
  await unpackImage(readImage(to.folder, '1.0.0'), folder)
  assert.equal(readFileSync(join(folder, 'bin/wait'), 'utf8'), '#!')
  assert.equal(readFileSync(join(folder, 'etc/motd'), 'utf8'), 'hello')
})

test('a layout may hold several images, each by its tag', async () => {
  const folder = fresh()
  const one = await writeImage(image({ folder, tag: 'one' }))
  const two = await writeImage(image({ folder, tag: 'two', config: {} }))
  assert.deepEqual([readImage(folder, 'one').digest, readImage(folder, 'two').digest], [one.digest, two.digest])
})

test('a path that is named twice, or leads elsewhere, is refused', async () => {
  const file = (path: string): LayerEntry => ({ kind: 'file', path, bytes: Buffer.of() })
  for (const paths of [['/a', '/a'], ['a'], ['/a/../b'], ['/a/'], ['/'], ['/a//b'], ['/a/.']])
    await assert.rejects(writeImage(image({ layers: [paths.map(file)] })), RangeError, paths.join())
})
