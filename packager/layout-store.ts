import { join } from 'node:path'
import { z } from 'zod'
import { digestSchema, MEDIA } from '../contract/artifact/artifact.ts'
import { canonicalJson, isJsonObject, type Json, parseJson } from '../contract/canonical-json.ts'
import { assertDigest, type Digest, digestHex, digestOf } from '../contract/digest.ts'
import { hasCode, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { readBundles } from '../contract/registry/bundles.ts'
import type { RegistryReader } from '../contract/registry/registry.ts'
import { look, readBounded, writeAtomic } from './disk.ts'
import type { RegistryWriter } from './publish/registry-writer.ts'

/** An OCI image layout as a place to publish to and to read from. It has no repositories: what is asked of one is asked of all. */
export type LayoutStore = RegistryReader &
  RegistryWriter & {
    /** Digests of the Waybill releases that it holds, each once, in the index's order. */
    releases(): Promise<readonly Digest[]>
    has(digest: Digest): Promise<boolean>
  }

/** image-spec 1.1, annotations.md: the tag of an entry. */
const REF_NAME = 'org.opencontainers.image.ref.name'

const indexSchema = z.object({ manifests: z.array(z.record(z.string(), z.unknown())) })
const manifestSchema = z.object({
  artifactType: z.string().optional(),
  subject: z.object({ digest: digestSchema }).optional(),
})

/**
 * Opens a layout (image-spec 1.1, image-layout.md; `index.json` lists every manifest, referrers too, as oras writes and reads it). A
 * folder that is not there holds nothing, and is made by the first write. Every blob is held against its digest, and the index is
 * written last. Only one process may write at a time. @throws WaybillError FILE_UNREADABLE, ARTIFACT_INVALID, DISK_*, and from reading
 * REGISTRY_NOT_FOUND, DIGEST_MISMATCH, LIMIT_EXCEEDED
 */
export function openLayout(folder: string): LayoutStore {
  const blobPath = (digest: Digest) => join(folder, 'blobs', 'sha256', digestHex(digest))
  const read = async (digest: Digest, bytesMax: number) => {
    if ((await look(blobPath(digest)))?.kind !== 'file') throw missing(folder, digest)
    const bytes = await readBounded(blobPath(digest), bytesMax)
    assertDigest(`a blob of ${folder}`, bytes, digest)
    return bytes
  }
  const keep = async (bytes: Uint8Array) => {
    const digest = digestOf(bytes)
    const whole = await read(digest, bytes.length).catch(() => undefined)
    const marker = { path: join(folder, 'oci-layout'), bytes: Buffer.from('{"imageLayoutVersion":"1.0.0"}') }
    const files = whole === undefined ? [{ path: blobPath(digest), bytes }] : []
    await writeAtomic((await look(marker.path)) === undefined ? [...files, marker] : files)
    return digest
  }
  const save = (entries: readonly Json[]) => {
    const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [...entries] }
    return writeAtomic([{ path: join(folder, 'index.json'), bytes: Buffer.from(canonicalJson(index)) }])
  }
  const entries = () => readIndex(folder)
  const listed = async () => [...new Set((await entries()).flatMap(({ digest }) => digest ?? []))]
  // One after another: an index may list more than a process may open.
  const opened = async () => {
    const manifests: ({ readonly digest: Digest } & z.infer<typeof manifestSchema>)[] = []
    for (const digest of await listed()) manifests.push({ digest, ...(await openManifest(digest)) })
    return manifests
  }
  /** What is no such manifest is something else, and passed over: anybody who may attach could otherwise make a copy unreadable. */
  const openManifest = async (digest: Digest): Promise<z.infer<typeof manifestSchema>> => {
    try {
      return manifestSchema.safeParse(parseJson(folder, await read(digest, LIMITS.manifestBytesMax))).data ?? {}
    } catch (error) {
      if (hasCode(error, 'ARTIFACT_INVALID', 'LIMIT_EXCEEDED')) return {}
      throw error
    }
  }

  const store: LayoutStore = {
    releases: async () =>
      (await opened()).filter(({ artifactType }) => artifactType === MEDIA.artifactType).map(({ digest }) => digest),
    has: async (digest) => (await look(blobPath(digest)))?.kind === 'file',
    resolveTag: async (_repository, tag) => {
      const found = (await entries()).find(({ name }) => name === tag)?.digest
      if (found !== undefined) return found
      throw new WaybillError('REGISTRY_NOT_FOUND', `${folder}: holds nothing that is called ${tag}`)
    },
    // One that no index lists is none yet: who wrote it was stopped before he could list it.
    fetchManifest: async (_repository, digest) => {
      if ((await listed()).includes(digest)) return read(digest, LIMITS.manifestBytesMax)
      throw missing(folder, digest)
    },
    fetchBlob: (_repository, { digest }, bytesMax) => read(digest, bytesMax),
    fetchBundles: async (repository, digest) => {
      const about = (await opened()).filter(({ subject }) => subject?.digest === digest)
      if (about.length > LIMITS.referrersMax)
        throw new WaybillError('LIMIT_EXCEEDED', `${folder}: more than ${LIMITS.referrersMax} referrers of ${digest}`)
      const referrers = about.map(({ digest }) => ({ mediaType: MEDIA.manifest, digest, size: 0 }))
      const source = { ...store, fetchManifest: (_: unknown, of: Digest) => read(of, LIMITS.manifestBytesMax) }
      return readBundles(source, repository, digest, referrers)
    },
    pushBlob: (_repository, bytes) => keep(bytes),
    pushManifest: async (_repository, bytes, mediaType) => {
      const digest = await keep(bytes)
      const before = await entries()
      if (before.some((entry) => entry.digest === digest)) return digest
      const { artifactType } = manifestSchema.parse(parseJson(folder, bytes))
      const type = artifactType === undefined ? {} : { artifactType }
      await save([...before.map(({ json }) => json), { mediaType, ...type, digest, size: bytes.length }])
      return digest
    },
    tag: async (_repository, digest, tag) => {
      const before = await entries()
      const found = before.find((entry) => entry.digest === digest)
      if (found === undefined) throw missing(folder, digest)
      // As oras has it: an entry for each name of a digest, and one without a name only where there is none with one.
      const kept = before.filter(({ name, digest: other }) => name !== tag && !(name === undefined && other === digest))
      const orphan = before.find(({ name, digest: other }) => name === tag && other !== digest)
      const named = orphan !== undefined && kept.every((entry) => entry.digest !== orphan.digest)
      const nameless = named ? [withName(orphan.json, undefined)] : []
      await save([...kept.map(({ json }) => json), ...nameless, withName(found.json, tag)])
    },
  }
  return store
}

type Entry = { readonly json: Json; readonly digest?: Digest; readonly name?: string }

async function readIndex(folder: string): Promise<readonly Entry[]> {
  const path = join(folder, 'index.json')
  if ((await look(folder))?.kind === 'file')
    throw new WaybillError('FILE_UNREADABLE', `${folder}: a file, where a folder is needed`)
  if ((await look(path)) === undefined) return []
  const json = parseJson(path, await readBounded(path, LIMITS.manifestBytesMax))
  if (!isJsonObject(json) || !Array.isArray(json.manifests) || !indexSchema.safeParse(json).success)
    throw new WaybillError('FILE_UNREADABLE', `${path}: not the index of an OCI layout`)
  return json.manifests.map(entryOf)
}

function entryOf(json: Json): Entry {
  if (!isJsonObject(json)) return { json }
  const digest = digestSchema.safeParse(json.digest)
  const annotations = isJsonObject(json.annotations) ? json.annotations : {}
  const name = annotations[REF_NAME]
  return {
    json,
    ...(digest.success ? { digest: digest.data } : {}),
    ...(typeof name === 'string' ? { name } : {}),
  }
}

function withName(json: Json, name: string | undefined): Json {
  if (!isJsonObject(json)) return json
  const { annotations, ...rest } = json
  const { [REF_NAME]: _, ...others } = isJsonObject(annotations) ? annotations : {}
  const all = name === undefined ? others : { ...others, [REF_NAME]: name }
  return Object.keys(all).length === 0 ? rest : { ...rest, annotations: all }
}

function missing(folder: string, digest: Digest): WaybillError {
  return new WaybillError('REGISTRY_NOT_FOUND', `${folder}: has no ${digest}`, {
    hint: 'Is it the right folder, and was it copied whole?',
  })
}
