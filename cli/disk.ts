import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { MEDIA } from '../contract/artifact/artifact.ts'
import { parseJson } from '../contract/canonical-json.ts'
import { assertDigest, type Digest, digestHex, parseDigest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import type { BlobSource, ManifestSource } from '../contract/registry/registry.ts'
import { pathFrom } from './flags.ts'

/** A file named on the command line. @throws WaybillError FILE_UNREADABLE, saying why but never what it holds */
export async function readText(cwd: string, path: string): Promise<string> {
  try {
    return await readFile(pathFrom(cwd, path), 'utf8')
  } catch (cause) {
    throw new WaybillError('FILE_UNREADABLE', `${path}: ${reason(cause)}`, { cause })
  }
}

/** A folder of this process's own below `parent`, removed at the end. @throws WaybillError DISK_FULL, DISK_FAILED */
export function makeTempFolder(parent: string, atEnd: (task: () => void) => void): string {
  try {
    const folder = mkdtempSync(join(parent, 'waybill-'))
    atEnd(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  } catch (cause) {
    throw diskError(parent, cause)
  }
}

function diskError(path: string, cause: unknown): WaybillError {
  const full = codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT'
  return new WaybillError(full ? 'DISK_FULL' : 'DISK_FAILED', `${path}: ${reason(cause)}`, { cause })
}

/** True for the folder of an OCI image layout (image-spec 1.1, image-layout.md). */
export async function isLayout(folder: string): Promise<boolean> {
  try {
    return (await stat(join(folder, 'oci-layout'))).isFile()
  } catch {
    return false
  }
}

const indexSchema = z.object({
  manifests: z.array(z.object({ mediaType: z.string(), digest: z.string(), artifactType: z.string().optional() })),
})

/** The releases that a layout's index lists. @throws WaybillError FILE_UNREADABLE, ARTIFACT_INVALID */
export async function layoutDigests(folder: string): Promise<readonly Digest[]> {
  const path = join(folder, 'index.json')
  const index = indexSchema.safeParse(parseJson(path, await readBounded(path, LIMITS.manifestBytesMax)))
  if (!index.success) throw new WaybillError('ARTIFACT_INVALID', `${path} is not an OCI index`)
  const releases = index.data.manifests.filter(
    ({ artifactType }) => (artifactType ?? MEDIA.artifactType) === MEDIA.artifactType,
  )
  return [...new Set(releases.map(({ digest }) => parseDigest(digest)))]
}

/** Reads a layout the way a registry is read, every blob held against its digest. It holds no statements. */
export function layoutSource(folder: string): ManifestSource & BlobSource {
  const read = async (digest: Digest, bytesMax: number) => {
    const bytes = await readBounded(join(folder, 'blobs', 'sha256', digestHex(digest)), bytesMax)
    assertDigest(`a blob of ${folder}`, bytes, digest)
    return bytes
  }
  return {
    fetchManifest: (_repository, digest) => read(digest, LIMITS.manifestBytesMax),
    fetchBlob: (_repository, { digest }, bytesMax) => read(digest, bytesMax),
    fetchBundles: async () => [],
  }
}

async function readBounded(path: string, bytesMax: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > bytesMax) throw new WaybillError('LIMIT_EXCEEDED', `${path} has ${size} bytes; ${bytesMax} are allowed`)
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    throw new WaybillError('FILE_UNREADABLE', `${path}: ${reason(cause)}`, { cause })
  }
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

function reason(cause: unknown): string {
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'it may not be read or written',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    ENOSPC: 'the disk is full',
    EROFS: 'the disk is read-only',
  }
  const code = codeOf(cause)
  return (typeof code === 'string' ? known[code] : undefined) ?? String(code ?? 'it cannot be read or written')
}
