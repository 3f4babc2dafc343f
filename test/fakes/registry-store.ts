import { MEDIA } from '../../contract/artifact/artifact.ts'
import { type Digest, digestHex, digestOf, isDigest } from '../../contract/digest.ts'

export type StoredManifest = { readonly bytes: Uint8Array; readonly mediaType: string }

/** One repository's content, in memory, with the rules of distribution-spec 1.1.1 that clients can see. */
export type Store = {
  readonly blobs: Map<string, Uint8Array>
  readonly manifests: Map<string, StoredManifest>
  readonly tags: Map<string, Digest>
  readonly referrers: Map<string, Digest[]>
}

export function createStore(): Store {
  return { blobs: new Map(), manifests: new Map(), tags: new Map(), referrers: new Map() }
}

export function storeBlob(store: Store, bytes: Uint8Array): Digest {
  const digest = digestOf(bytes)
  store.blobs.set(digest, bytes)
  return digest
}

/** `name` is a tag or a digest. A manifest with a subject is remembered as its referrer. */
export function storeManifest(store: Store, bytes: Uint8Array, mediaType: string, name?: string): Digest {
  const digest = digestOf(bytes)
  store.manifests.set(digest, { bytes, mediaType })
  if (name !== undefined && !isDigest(name)) store.tags.set(name, digest)
  const { subject } = readJson(bytes)
  if (subject !== undefined) {
    const known = store.referrers.get(subject) ?? []
    if (!known.includes(digest)) store.referrers.set(subject, [...known, digest])
  }
  return digest
}

/** Lists a referrer under the tag `sha256-<hex>`, as clients do where there is no referrers API. */
export function listUnderTag(store: Store, subject: Digest, referrer: Digest): void {
  const tag = `sha256-${digestHex(subject)}`
  const before = store.manifests.get(store.tags.get(tag) ?? '')
  const known: unknown[] = before === undefined ? [] : JSON.parse(Buffer.from(before.bytes).toString()).manifests
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [...known, descriptorOf(store, referrer)] }
  storeManifest(store, Buffer.from(JSON.stringify(index)), MEDIA.index, tag)
}

/** As an index lists it. */
export function descriptorOf(store: Store, digest: Digest): Record<string, unknown> {
  const found = store.manifests.get(digest)
  const { artifactType } = readJson(found?.bytes ?? Buffer.from('{}'))
  return { mediaType: found?.mediaType ?? MEDIA.manifest, digest, size: found?.bytes.length ?? 0, artifactType }
}

export function findManifest(store: Store, name: string): (StoredManifest & { readonly digest: Digest }) | undefined {
  const digest = isDigest(name) ? name : store.tags.get(name)
  const found = digest === undefined ? undefined : store.manifests.get(digest)
  return found === undefined || digest === undefined ? undefined : { ...found, digest }
}

export function subjectOf(bytes: Uint8Array): Digest | undefined {
  return readJson(bytes).subject
}

function readJson(bytes: Uint8Array): { readonly subject?: Digest; readonly artifactType?: string } {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value !== 'object' || value === null) return {}
    const subject = 'subject' in value ? value.subject : undefined
    const digest = typeof subject === 'object' && subject !== null && 'digest' in subject ? subject.digest : undefined
    const artifactType = 'artifactType' in value ? value.artifactType : undefined
    return {
      ...(typeof digest === 'string' && isDigest(digest) ? { subject: digest } : {}),
      ...(typeof artifactType === 'string' ? { artifactType } : {}),
    }
  } catch {
    return {}
  }
}
