import { join } from 'node:path'
import { MEDIA } from '../contract/artifact/artifact.ts'
import { canonicalJson, isJsonObject, type Json, parseJson } from '../contract/canonical-json.ts'
import { type Digest, digestHex, digestOf } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { hasFileOfSize, look, readBounded, writeAtomic } from './disk.ts'
import type { Packed } from './pack.ts'

/**
 * Writes an artifact into an OCI image layout (image-spec 1.1, image-layout.md): blobs first, the index last, each file whole or not at all.
 * A layout that is there already gains the artifact beside what it holds; writing the same again changes nothing.
 * @throws WaybillError DISK_FULL, DISK_FAILED; FILE_UNREADABLE when the folder holds something else
 */
export async function writeLayout(folder: string, packed: Packed): Promise<void> {
  const manifests = await listedManifests(folder)
  for (const bytes of [packed.layer, packed.config, packed.manifest]) await writeBlob(folder, bytes)
  await writeAtomic(join(folder, 'oci-layout'), Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
  if (manifests.some((entry) => isJsonObject(entry) && entry.digest === packed.digest)) return
  const { digest, manifest } = packed
  const entry = { mediaType: MEDIA.manifest, artifactType: MEDIA.artifactType, digest, size: manifest.length }
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [...manifests, entry] }
  await writeAtomic(join(folder, 'index.json'), Buffer.from(canonicalJson(index)))
}

function blobPath(folder: string, digest: Digest): string {
  return join(folder, 'blobs', 'sha256', digestHex(digest))
}

/** A blob is named by its content: what is there in full is not written again, what was damaged is. */
async function writeBlob(folder: string, bytes: Uint8Array): Promise<void> {
  const digest = digestOf(bytes)
  const path = blobPath(folder, digest)
  const there = (await hasFileOfSize(path, bytes.length)) && digestOf(await readBounded(path, bytes.length)) === digest
  if (!there) await writeAtomic(path, bytes)
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
