import { MEDIA } from '../artifact/artifact.ts'
import { assertDigest, type Digest, digestOf, isDigest } from '../digest.ts'
import { hasCode, WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { readBundles } from './bundles.ts'
import { type Answer, dropBody, readBody, where } from './http.ts'
import { listReferrers } from './referrers.ts'
import type { BlobSource, ManifestSource, RegistryReader, TagLister, TagResolver } from './registry.ts'
import { remembering } from './remember.ts'
import { createSession, type RegistrySession, type SessionOptions } from './session.ts'
import { listTags } from './tags.ts'

/** `plainHttp`, `ca`, `credentials`, `proxy` and, for tests, shorter times. */
export type RegistryReaderOptions = SessionOptions & {
  /** Ask for nothing twice that a digest names; for short lives. */
  readonly remember?: boolean
}

export type RegistryConnection = RegistryReader &
  TagLister & {
    /** The same connections, for one who may give up: `signal` ends what he asked for. */
    until(signal: AbortSignal): RegistryReader & TagLister
    /** The same connections and logins, for one who writes. */
    readonly session: RegistrySession
    close(): Promise<void>
  }

const acceptManifests = [
  MEDIA.manifest,
  MEDIA.index,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')

/**
 * A reader over one pool of kept-alive connections. Nothing is opened before the first call. One reader uses one set of
 * credentials: deliveries with other credentials take another.
 */
export function createRegistryReader(options: RegistryReaderOptions = {}): RegistryConnection {
  const session = createSession(options)
  return {
    ...readerOver(session, options),
    until: (signal) =>
      readerOver({ ...session, request: (request) => session.request({ ...request, signal }) }, options),
    session,
    close: () => session.close(),
  }
}

function readerOver(
  session: RegistrySession,
  { remember = false }: Pick<RegistryReaderOptions, 'remember'>,
): RegistryReader & TagLister {
  const asking: Pick<ManifestSource, 'fetchManifest'> & BlobSource = {
    fetchBlob: (repository, descriptor, bytesMax) => fetchBlob(session, repository, descriptor, bytesMax),
    fetchManifest: (repository, digest) => fetchManifestBytes(session, repository, digest),
  }
  const source = remember ? remembering(asking) : asking
  return {
    ...source,
    resolveTag: (repository, tag) => resolveTag(session, repository, tag),
    fetchBundles: async (repository, digest) =>
      readBundles(source, repository, digest, await listReferrers(session, repository, digest)),
    listTags: (repository) => listTags(session, repository),
  }
}

async function resolveTag(
  session: RegistrySession,
  repository: Reference,
  tag: string,
): ReturnType<TagResolver['resolveTag']> {
  const request = { repository, path: `manifests/${tag}`, accept: acceptManifests }
  const head = await session.request({ ...request, method: 'HEAD' })
  await dropBody(head)
  const said = head.headers['docker-content-digest'] ?? ''
  if (isDigest(said)) return said
  const answer = await session.request({ ...request, method: 'GET' })
  return digestOf(await readBody(answer, LIMITS.manifestBytesMax))
}

async function fetchManifestBytes(
  session: RegistrySession,
  repository: Reference,
  digest: Digest,
): Promise<Uint8Array> {
  const answer = await session.request({
    repository,
    method: 'GET',
    path: `manifests/${digest}`,
    accept: acceptManifests,
  })
  const bytes = await readBody(answer, LIMITS.manifestBytesMax)
  assertDigest(where(answer.url), bytes, digest)
  return bytes
}

async function fetchBlob(
  session: RegistrySession,
  repository: Reference,
  { digest, size }: Parameters<BlobSource['fetchBlob']>[1],
  bytesMax: number,
): Promise<Uint8Array> {
  const name = `${repository.repository}@${digest}`
  if (size > bytesMax) throw new WaybillError('LIMIT_EXCEEDED', `${name}: ${size} bytes, more than ${bytesMax}`)
  if (!isDigest(digest)) throw new WaybillError('DIGEST_INVALID', `${name}: not a sha256 digest`)
  const answer = await session.request({ repository, method: 'GET', path: `blobs/${digest}`, redirects: 'follow' })
  const bytes = await readWhole(answer, name, size)
  assertDigest(name, bytes, digest)
  return bytes
}

async function readWhole(answer: Answer, name: string, size: number): Promise<Uint8Array> {
  const wrong = (got: string) => new WaybillError('DIGEST_MISMATCH', `${name}: got ${got}, its descriptor says ${size}`)
  try {
    const bytes = await readBody(answer, size)
    if (bytes.length !== size) throw wrong(`${bytes.length} bytes`)
    return bytes
  } catch (error) {
    if (hasCode(error, 'LIMIT_EXCEEDED')) throw wrong('more bytes')
    throw error
  }
}
