import { join } from 'node:path'
import { MEDIA } from '../contract/artifact/artifact.ts'
import { canonicalJson, isJsonObject, type Json, parseJson } from '../contract/canonical-json.ts'
import { type Digest, digestHex, digestOf } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { type FileToWrite, hasFileOfSize, look, readBounded, writeAtomic } from './disk.ts'
import type { Packed } from './pack.ts'

/**
 * Writes an artifact into an OCI image layout (image-spec 1.1, image-layout.md): all of it or nothing, the index last. A layout
 * that is there already gains the artifact beside what it holds; writing the same again changes nothing.
 * @throws WaybillError DISK_FULL, DISK_FAILED; FILE_UNREADABLE when the folder holds something else
 */
export async function writeLayout(folder: string, packed: Packed): Promise<void> {
  const manifests = await listedManifests(folder)
  const { digest, manifest } = packed
  const blobs = [packed.layer, packed.config, manifest].map((bytes) => ({
    path: blobPath(folder, digestOf(bytes)),
    bytes,
  }))
  const marker = { path: join(folder, 'oci-layout'), bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') }
  const entry = { mediaType: MEDIA.manifest, artifactType: MEDIA.artifactType, digest, size: manifest.length }
  const listed = manifests.some((one) => isJsonObject(one) && one.digest === digest)
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: listed ? manifests : [...manifests, entry] }
  const missing: FileToWrite[] = []
  for (const file of [...blobs, marker]) if (!(await isWritten(file))) missing.push(file)
  if (!listed) missing.push({ path: join(folder, 'index.json'), bytes: Buffer.from(canonicalJson(index)) })
  await writeAtomic(missing)
}

function blobPath(folder: string, digest: Digest): string {
  return join(folder, 'blobs', 'sha256', digestHex(digest))
}

/** What is there in full is not written again, what was damaged is. */
async function isWritten({ path, bytes }: FileToWrite): Promise<boolean> {
  return (await hasFileOfSize(path, bytes.length)) && (await readBounded(path, bytes.length)).equals(bytes)
}

async function listedManifests(folder: string): Promise<readonly Json[]> {
  const path = join(folder, 'index.json')
  const found = await look(folder)
  if (found?.kind === 'file') throw new WaybillError('FILE_UNREADABLE', `${folder}: a file, where a folder is needed`)
  if ((await look(path)) === undefined) return []
  const index = parseJson(path, await readBounded(path, LIMITS.manifestBytesMax))
  if (isJsonObject(index) && Array.isArray(index.manifests)) return index.manifests
  throw new WaybillError('FILE_UNREADABLE', `${path}: not the index of an OCI layout`)
}
