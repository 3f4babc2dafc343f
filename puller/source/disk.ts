import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseJson } from '../../contract/canonical-json.ts'
import { type Digest, digestHex, digestOf, isDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'

/**
 * What was fetched, kept on disk by its digest: survives restarts, so that going back and repairing drift work with the
 * registry down. Files appear whole or not at all, and are checked against their digest whenever they are read.
 */
export interface ArtifactCache {
  /** undefined when it is not there, or no longer what its digest says (then it is removed, to be fetched again). */
  readBlob(digest: Digest): Promise<Uint8Array | undefined>
  writeBlob(digest: Digest, bytes: Uint8Array): Promise<void>
  /** The Sigstore bundles last fetched for this artifact; undefined when none were, or one of them is lost. */
  readBundles(subject: Digest): Promise<readonly Uint8Array[] | undefined>
  writeBundles(subject: Digest, bundles: readonly Uint8Array[]): Promise<void>
  /** Remembers that `reader` (a delivery with its credentials) fetched this artifact itself. */
  grant(reader: string, digest: Digest): Promise<void>
  granted(reader: string, digest: Digest): Promise<boolean>
  /** Removes what was read longest ago until at most `bytesMax` of blobs are left. What runs is read at every look, so it stays. */
  tidy(bytesMax: number): Promise<void>
}

/** A cache in `folder`, which is made when needed. Errors: DISK_FULL, DISK_FAILED. Nothing is opened before the first call. */
export function openCache(folder: string): ArtifactCache {
  const blobPath = (digest: Digest) => join(folder, 'blobs', 'sha256', digestHex(digest))
  const bundlesPath = (subject: Digest) => join(folder, 'bundles', 'sha256', digestHex(subject))
  const grantPath = (reader: string, digest: Digest) =>
    join(folder, 'grants', createHash('sha256').update(reader).digest('hex'), digestHex(digest))

  const readBlob = async (digest: Digest): Promise<Uint8Array | undefined> => {
    const bytes = await readIfThere(blobPath(digest))
    if (bytes === undefined) return undefined
    if (digestOf(bytes) === digest) {
      const now = new Date()
      await utimes(blobPath(digest), now, now).catch(() => undefined)
      return bytes
    }
    await rm(blobPath(digest), { force: true })
    return undefined
  }
  const writeBlob = async (digest: Digest, bytes: Uint8Array) => {
    if (!(await exists(blobPath(digest)))) await writeWhole(folder, blobPath(digest), bytes)
  }
  return {
    readBlob,
    writeBlob,
    readBundles: async (subject) => {
      const list = await readIfThere(bundlesPath(subject))
      if (list === undefined) return undefined
      const digests = parseDigestList(list)
      const bundles = await Promise.all((digests ?? []).map(readBlob))
      const whole = bundles.filter((bundle) => bundle !== undefined)
      return digests !== undefined && whole.length === digests.length ? whole : undefined
    },
    writeBundles: async (subject, bundles) => {
      const digests = bundles.map((bundle) => digestOf(bundle))
      for (const [i, bundle] of bundles.entries()) await writeBlob(digests[i] ?? digestOf(bundle), bundle)
      await writeWhole(folder, bundlesPath(subject), Buffer.from(JSON.stringify(digests)))
    },
    grant: async (reader, digest) => {
      const path = grantPath(reader, digest)
      if (!(await exists(path))) await writeWhole(folder, path, new Uint8Array())
    },
    granted: (reader, digest) => exists(grantPath(reader, digest)),
    tidy: (bytesMax) => tidyFolder(join(folder, 'blobs', 'sha256'), bytesMax),
  }
}

async function tidyFolder(folder: string, bytesMax: number): Promise<void> {
  try {
    const names = (await exists(folder)) ? await readdir(folder) : []
    const files = await Promise.all(
      names.map(async (name) => {
        const { size, mtimeMs } = await stat(join(folder, name))
        return { path: join(folder, name), size, mtimeMs }
      }),
    )
    let left = files.reduce((sum, { size }) => sum + size, 0)
    for (const { path, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
      if (left <= bytesMax) return
      await rm(path, { force: true })
      left -= size
    }
  } catch (error) {
    throw error instanceof WaybillError ? error : diskError(folder, error)
  }
}

function parseDigestList(bytes: Uint8Array): readonly Digest[] | undefined {
  try {
    const value = parseJson('the list of bundles', bytes)
    if (!Array.isArray(value)) return undefined
    const digests = value.filter((entry): entry is Digest => typeof entry === 'string' && isDigest(entry))
    return digests.length === value.length ? digests : undefined
  } catch {
    return undefined
  }
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw diskError(path, error)
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw diskError(path, error)
  }
}

async function writeWhole(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  const draft = join(folder, 'tmp', randomBytes(8).toString('hex'))
  try {
    await writeDraft(draft, path, bytes).catch(async (error) => {
      if (codeOf(error) !== 'ENOENT') throw error
      for (const one of [draft, path]) await mkdir(dirname(one), { recursive: true })
      await rm(draft, { force: true })
      await writeDraft(draft, path, bytes)
    })
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw diskError(path, error)
  }
}

async function writeDraft(draft: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(draft, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

function diskError(path: string, error: unknown): WaybillError {
  const code = codeOf(error)
  const full = FULL.has(code)
  return new WaybillError(
    full ? 'DISK_FULL' : 'DISK_FAILED',
    `the cache file ${path}: ${full ? 'no space left' : code || 'failed'}`,
    {
      cause: error,
    },
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
