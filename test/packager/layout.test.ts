import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig, parseManifest } from '../../contract/artifact/artifact.ts'
import { digestOf } from '../../contract/digest.ts'
import { diskError, writeAtomic } from '../../packager/disk.ts'
import { writeLayout } from '../../packager/layout.ts'
import { type Packed, packRelease } from '../../packager/pack.ts'
import { tempFolder } from './repository.ts'

function packed(greeting: string): Packed {
  return packRelease({
    package: { name: 'shop', repository: 'registry.example.com/acme/shop' },
    source: {
      repository: 'https://git.example.com/acme/shop',
      revision: `sha1:${'1'.repeat(40)}`,
      committedAt: '2026-11-21T10:00:00Z',
    },
    kubernetes: { version: '1.36' },
    environments: { dev: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shop' }, data: { greeting } }] },
  })
}

const index = (folder: string): unknown => JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'))
const blobs = (folder: string) => readdirSync(join(folder, 'blobs/sha256')).sort()

test('a layout holds the artifact: marker, index, and each blob under its digest', async () => {
  const folder = join(tempFolder(), 'new/layout')
  const artifact = packed('hello')
  await writeLayout(folder, artifact)
  assert.equal(readFileSync(join(folder, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}')
  const [entry] = Object(index(folder)).manifests
  assert.equal(entry.digest, artifact.digest)
  for (const name of blobs(folder))
    assert.equal(digestOf(readFileSync(join(folder, 'blobs/sha256', name))), `sha256:${name}`)
  const manifest = parseManifest(readFileSync(join(folder, 'blobs/sha256', artifact.digest.slice(7))))
  assert.deepEqual(
    blobs(folder),
    [artifact.digest, manifest.config.digest, manifest.layers[0].digest].map((digest) => digest.slice(7)).sort(),
  )
  assert.deepEqual(parseConfig(artifact.config), artifact.release)
})

test('packing the same again changes nothing; packing another adds it', async () => {
  const folder = tempFolder()
  await writeLayout(folder, packed('hello'))
  const files = [...blobs(folder).map((name) => `blobs/sha256/${name}`), 'index.json']
  const before = files.map((name) => statSync(join(folder, name)).mtimeMs)
  await writeLayout(folder, packed('hello'))
  assert.deepEqual(
    files.map((name) => statSync(join(folder, name)).mtimeMs),
    before,
  )
  await writeLayout(folder, packed('goodbye'))
  assert.equal(Object(index(folder)).manifests.length, 2)
  assert.equal(blobs(folder).length, 6)
})

test('a damaged blob is written again', async () => {
  const folder = tempFolder()
  const artifact = packed('hello')
  await writeLayout(folder, artifact)
  const path = join(folder, 'blobs/sha256', artifact.digest.slice(7))
  writeFileSync(path, Buffer.alloc(artifact.manifest.length))
  await writeLayout(folder, artifact)
  assert.equal(digestOf(readFileSync(path)), artifact.digest)
})

test('a folder that holds something else, or is a file, is refused', async () => {
  const folder = tempFolder()
  writeFileSync(join(folder, 'index.json'), '{"a": 1}')
  await assert.rejects(writeLayout(folder, packed('hello')), { code: 'FILE_UNREADABLE' })
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(writeLayout(join(folder, 'file'), packed('hello')), { code: 'FILE_UNREADABLE' })
  await assert.rejects(writeLayout(join(folder, 'file/inside'), packed('hello')), { code: 'DISK_FAILED' })
})

test('a write that fails leaves nothing new behind, not even the folders', async () => {
  const parent = tempFolder()
  const folder = join(parent, 'new/layout')
  const artifact = packed('hello')
  // The last of its files cannot be made: its name is too long.
  await assert.rejects(
    writeAtomic([
      { path: join(folder, 'a'), bytes: artifact.layer },
      { path: join(folder, 'b'.repeat(300)), bytes: artifact.config },
    ]),
    { code: 'DISK_FAILED' },
  )
  assert.deepEqual(readdirSync(parent), [])
  await writeLayout(folder, artifact)
  const before = readdirSync(folder, { recursive: true }).sort()
  await assert.rejects(writeAtomic([{ path: join(folder, 'x', 'y'.repeat(300)), bytes: artifact.layer }]), {
    code: 'DISK_FAILED',
  })
  assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), before)
})

test('a disk without space, and a quota that is used up, are told apart from other failures', () => {
  for (const [code, told] of [
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EROFS', 'DISK_FAILED'],
  ] as const)
    assert.equal(diskError('x', Object.assign(new Error('no'), { code })).code, told)
})
