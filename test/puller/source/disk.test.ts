import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { digestHex, digestOf } from '../../../contract/digest.ts'
import { openCache } from '../../../puller/source/disk.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-cache-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const bytes = Buffer.from('a layer')
const digest = digestOf(bytes)

test('what one puller kept, the next one finds', async () => {
  await openCache(folder).writeBlob(digest, bytes)
  await openCache(folder).writeBundles(digest, [Buffer.from('one'), Buffer.from('two')])
  const later = openCache(folder)
  assert.deepEqual(await later.readBlob(digest), bytes)
  assert.deepEqual((await later.readBundles(digest))?.map(String), ['one', 'two'])
})

test('a damaged file is as good as none, and can be written again', async () => {
  const cache = openCache(folder)
  await cache.writeBlob(digest, bytes)
  writeFileSync(join(folder, 'blobs', 'sha256', digestHex(digest)), 'a lay')
  assert.equal(await cache.readBlob(digest), undefined)
  await cache.writeBlob(digest, bytes)
  assert.deepEqual(await cache.readBlob(digest), bytes)
})

test('bundles of which one was damaged are fetched again as a whole', async () => {
  const cache = openCache(folder)
  await cache.writeBundles(digest, [Buffer.from('one'), Buffer.from('two')])
  writeFileSync(join(folder, 'blobs', 'sha256', digestHex(digestOf('two'))), 'tw')
  assert.equal(await cache.readBundles(digest), undefined)
  writeFileSync(join(folder, 'bundles', 'sha256', digestHex(digest)), '["not a digest"]')
  assert.equal(await cache.readBundles(digest), undefined)
})

test('a full disk is said as such, and leaves no half file', () => {
  // A process that may not write more than 4 KiB to a file stands for a disk that is full (EFBIG, as ENOSPC and EDQUOT).
  const disk = JSON.stringify(new URL('../../../puller/source/disk.ts', import.meta.url).href)
  const digests = JSON.stringify(new URL('../../../contract/digest.ts', import.meta.url).href)
  const script = `
    const { openCache } = await import(${disk}); const { digestOf } = await import(${digests})
    const bytes = Buffer.alloc(1_000_000)
    await openCache(process.argv[1]).writeBlob(digestOf(bytes), bytes).catch((error) => console.log(error.code))`
  const command = 'ulimit -f 8; exec "$0" --input-type=module -e "$1" "$2"'
  const said = execFileSync('sh', ['-c', command, process.execPath, script, folder], { encoding: 'utf8' })
  assert.equal(said.trim(), 'DISK_FULL')
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
  assert.deepEqual(readdirSync(join(folder, 'blobs', 'sha256')), [])
})

test('a folder that may not be written is one clear error', async () => {
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(openCache(join(folder, 'file')).writeBlob(digest, bytes), { code: 'DISK_FAILED' })
  assert.deepEqual(readdirSync(folder), ['file'])
})

test('the cache keeps to its bound, and what is read at every look stays', async () => {
  const cache = openCache(folder)
  const contents = ['first', 'second', 'third'].map((word) => Buffer.from(word.padEnd(1000)))
  const digests = contents.map((content) => digestOf(content))
  for (const [i, content] of contents.entries()) {
    const of = digests[i] ?? digest
    await cache.writeBlob(of, content)
    const old = new Date(Date.now() - 60_000 + i * 1000)
    utimesSync(join(folder, 'blobs', 'sha256', digestHex(of)), old, old)
  }
  await cache.readBlob(digests[0] ?? digest)
  await cache.tidy(2000)
  const kept = await Promise.all(digests.map(async (one) => (await cache.readBlob(one)) !== undefined))
  assert.deepEqual(kept, [true, false, true])
  await openCache(join(folder, 'none yet')).tidy(1)
})

test('who fetched something is remembered by who he is and what he fetched', async () => {
  await openCache(folder).grant('a', digest)
  assert.equal(await openCache(folder).granted('a', digest), true)
  assert.equal(await openCache(folder).granted('b', digest), false)
  assert.equal(await openCache(folder).granted('a', digestOf('other')), false)
})
