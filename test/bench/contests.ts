import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { verify } from 'node:crypto'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { dsse } from '@sigstore/core'
import { gzipSync } from 'fflate'
import { Header, Pack, ReadEntry } from 'tar'
import { readLayer } from '../../contract/artifact/layer.ts'
import { readTarHeader, TAR_BLOCK, tarPadding } from '../../contract/artifact/tar.ts'
import { openBundle, writeBundle } from '../../contract/trust/bundle.ts'
import { parsePublicKey, verifyEnvelope } from '../../contract/trust/public-key.ts'
import { PREDICATES, STATEMENT_TYPE } from '../../contract/trust/statements.ts'
import { packRelease, type Release } from '../../packager/pack.ts'
import { makeKey } from '../fakes/keys.ts'
import type { Contest } from './contest.ts'
import { shopObjects } from './objects.ts'

const objectsCount = 1_000

/** Everything that is measured. Each checks once, before it is measured, that both sides reach the same end. */
export async function contests(): Promise<readonly Contest[]> {
  return [await packing(), await reading(), verifying(), ...starting()]
}

async function packing(): Promise<Contest> {
  const { layer } = packRelease(release())
  const files = filesIn(layer)
  const theirs = async () => gzipSync(await tarOf(files), { level: 6, mtime: 0 })
  assert.deepEqual(filesIn(await theirs()), files)
  return {
    what: `pack ${objectsCount} objects: canonical JSON, hashes, tar, gzip, config, manifest`,
    against: 'tar and fflate over the same bytes',
    atMost: 2,
    rounds: 11,
    times: 1,
    ours: () => packRelease(release()),
    theirs,
  }
}

async function reading(): Promise<Contest> {
  const { layer, release: config } = packRelease(release())
  const ours = async () => (await readLayer(layer, config, 'production')).map(({ object }) => object)
  const theirs = () =>
    filesIn(layer)
      .filter(({ path }) => path.endsWith('.json'))
      .map(({ bytes }): unknown => JSON.parse(bytes.toString('utf8')))
  assert.deepEqual(await ours(), theirs())
  return {
    what: `read ${objectsCount} objects out of a layer, each held against its hash and its one form`,
    against: 'gunzip and JSON.parse of the same',
    rounds: 11,
    times: 2,
    ours,
    theirs,
  }
}

function verifying(): Contest {
  const key = makeKey()
  const publicKey = parsePublicKey(key.publicKeyPem)
  const subject = [{ digest: { sha256: '0'.repeat(64) } }]
  const bytes = writeBundle({ _type: STATEMENT_TYPE, subject, predicateType: PREDICATES.signature, predicate: {} }, key)
  const opened = openBundle(bytes)
  const signed = dsse.preAuthEncoding(opened.payloadType, Buffer.from(opened.payload))
  const ours = () => {
    const { payloadType, payload, signature } = openBundle(bytes)
    return verifyEnvelope(publicKey, payloadType, payload, signature)
  }
  const theirs = () => verify('sha256', signed, publicKey.key, opened.signature)
  assert.deepEqual([ours(), theirs()], [true, true])
  return {
    what: 'open and verify one signature bundle',
    against: 'node:crypto verifying its P-256 signature',
    rounds: 11,
    times: 300,
    ours,
    theirs,
  }
}

function starting(): readonly Contest[] {
  const waybill = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')
  const run = (...args: readonly string[]) => {
    const { status, error, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(status, 0, error?.message ?? stderr)
  }
  const contest = (bound: { readonly atMost?: number }, ...args: readonly string[]): Contest => ({
    ...bound,
    what: `waybill ${args.join(' ')}`,
    against: 'node -e 0',
    rounds: 15,
    times: 1,
    ours: () => run(waybill, ...args),
    theirs: () => run('-e', '0'),
  })
  return [contest({ atMost: 3 }, '--version'), contest({}, 'tenant', 'shop')]
}

function release(): Release {
  return {
    package: { name: 'shop', repository: 'registry.example.com/acme/shop' },
    source: {
      repository: 'https://git.example.com/acme/shop',
      revision: `sha1:${'0'.repeat(40)}`,
      committedAt: '2026-11-20T09:00:00Z',
    },
    kubernetes: { version: '1.36' },
    environments: { production: shopObjects(objectsCount) },
  }
}

type TarFile = { readonly path: string; readonly bytes: Buffer }

function filesIn(layer: Uint8Array): readonly TarFile[] {
  const archive = gunzipSync(layer)
  const files: TarFile[] = []
  for (let at = 0; archive[at] !== 0; ) {
    const { path, size } = readTarHeader(archive.subarray(at, at + TAR_BLOCK))
    const start = at + TAR_BLOCK
    files.push({ path, bytes: archive.subarray(start, start + size) })
    at = start + size + tarPadding(size)
  }
  return files
}

/** The archive as the tar package writes it, from memory to memory. */
async function tarOf(files: readonly TarFile[]): Promise<Buffer> {
  const pack = new Pack({ portable: true })
  const archive = pack.concat()
  for (const { path, bytes } of files) {
    const entry = new ReadEntry(new Header({ path, size: bytes.length, type: 'File', mode: 0o644, mtime: new Date(0) }))
    pack.add(entry)
    entry.end(bytes)
  }
  pack.end()
  return archive
}
