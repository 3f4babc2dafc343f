import { MEDIA } from '../../contract/artifact/artifact.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { byDigest, type Reference } from '../../contract/reference.ts'
import { dropBody, where } from '../../contract/registry/http.ts'
import { type RegistrySession, statusError } from '../../contract/registry/session.ts'
import { EMPTY_CONFIG } from '../../contract/trust/referrer.ts'
import type { Oras } from './oras.ts'
import { insist, type Patience } from './patience.ts'
import type { RegistryWriter } from './registry-writer.ts'

export type UploadOptions = Patience & {
  /** The connections and logins of who reads. */
  readonly session: RegistrySession
  /** Writes manifests and tags, and the blobs of registries that do not take them our way. */
  readonly oras: Oras
}

/** How a repository deals with blobs that it has: `mounts` them from itself, or must be asked. A `new` one has none. */
type Habit = 'mounts' | 'new' | 'asked' | 'refuses'

/**
 * Writes blobs in two requests, or one where the registry has them: mount or begin, then end (distribution-spec 1.1.1, "Pushing a blob
 * monolithically", "Mounting a blob from another repository"). Everything else goes through oras, which is asked for before the first byte is sent.
 */
export function createUploader({ session, oras, ...patience }: UploadOptions): RegistryWriter {
  const pushed = new Set<string>()
  const habits = new Map<string, Promise<Habit>>()
  const habitOf = ({ repository }: Reference, find: () => Promise<Habit>) => {
    const found = habits.get(repository) ?? find()
    habits.set(repository, found)
    // What failed once may go well the next time.
    found.catch(() => habits.delete(repository))
    return found
  }
  return {
    ...oras,
    pushBlob: async (repository, bytes, mediaType) => {
      await oras.ready()
      const digest = digestOf(bytes)
      const name = byDigest(repository, digest)
      if (pushed.has(name)) return digest
      const upload = async (): Promise<boolean> => {
        const habit = await habitOf(repository, () => findHabit(session, repository))
        if (habit === 'refuses') return false
        const isEmpty = digest === digestOf(EMPTY_CONFIG)
        return (
          isEmpty ||
          (await put(session, repository, bytes, { isLikelyThere: habit === 'asked' && mediaType === MEDIA.layer }))
        )
      }
      const taken = await insist(() => withFreshConnection(upload), patience, [
        'REGISTRY_RATE_LIMITED',
        'REGISTRY_FAILED',
      ])
      if (!taken) {
        habits.set(repository.repository, Promise.resolve('refuses'))
        await oras.pushBlob(repository, bytes, mediaType)
      }
      pushed.add(name)
      return digest
    },
  }
}

/** A kept-alive connection can be closed just as it is used, and whatever an upload did before it broke off does no harm: once more. */
async function withFreshConnection<T>(upload: () => Promise<T>): Promise<T> {
  try {
    return await upload()
  } catch (error) {
    if (!hasCode(error, 'REGISTRY_UNREACHABLE')) throw error
    return upload()
  }
}

/**
 * Puts the empty blob, which every statement needs, and learns from it. Mounted: the registry will mount whatever else it has. Not mounted,
 * though it is there: it does not mount. Not there: nothing was published here yet.
 */
async function findHabit(session: RegistrySession, repository: Reference): Promise<Habit> {
  const begun = await begin(session, repository, digestOf(EMPTY_CONFIG))
  if (begun.kind === 'there') return 'mounts'
  if (begun.kind === 'refused') return 'refuses'
  if (await isThere(session, repository, digestOf(EMPTY_CONFIG))) return 'asked'
  return (await end(session, repository, begun, EMPTY_CONFIG)) ? 'new' : 'refuses'
}

/** True when the blob is there in the end, false where the registry does not take it this way. */
async function put(
  session: RegistrySession,
  repository: Reference,
  bytes: Uint8Array,
  { isLikelyThere }: { readonly isLikelyThere: boolean },
): Promise<boolean> {
  if (isLikelyThere && (await isThere(session, repository, digestOf(bytes)))) return true
  const begun = await begin(session, repository, digestOf(bytes))
  if (begun.kind !== 'begun') return begun.kind === 'there'
  return end(session, repository, begun, bytes)
}

/** An upload that a registry is ready for; `elsewhere` than at the registry itself. */
type Session = { readonly kind: 'begun'; readonly location: URL; readonly elsewhere: boolean }
type Begun = { readonly kind: 'there' } | { readonly kind: 'refused' } | Session

async function begin(session: RegistrySession, repository: Reference, digest: Digest): Promise<Begun> {
  const query = new URLSearchParams({ mount: digest, from: repository.path })
  const request = { repository, method: 'POST', path: `blobs/uploads/?${query}` } as const
  try {
    const answer = await session.write(request)
    await dropBody(answer)
    const { status, headers, url } = answer
    if (status === 201) return { kind: 'there' }
    if (isTrouble(status)) throw statusError(answer, repository)
    const { location } = headers
    if (status !== 202 || location === undefined || !URL.canParse(location, url.href)) return { kind: 'refused' }
    const at = new URL(location, url)
    return { kind: 'begun', location: at, elsewhere: at.origin !== url.origin }
  } catch (error) {
    // Whoever gives tokens gives us none: oras may know another way to log in.
    if (hasCode(error, 'REGISTRY_AUTH', 'REGISTRY_ANSWER_INVALID')) return { kind: 'refused' }
    throw error
  }
}

/** The location is the registry's: nothing in it is changed, and what it holds is not told to anybody. */
async function end(
  session: RegistrySession,
  repository: Reference,
  { location, elsewhere }: Session,
  bytes: Uint8Array,
): Promise<boolean> {
  const at = new URL(location)
  at.search = `${at.search === '' ? '?' : `${at.search}&`}digest=${encodeURIComponent(digestOf(bytes))}`
  const answer = await session.write({ repository, method: 'PUT', path: at.href, body: bytes })
  await dropBody(answer)
  if (answer.status === 201) return true
  if (answer.status === 413)
    throw new WaybillError('LIMIT_EXCEEDED', `${where(answer.url)}: takes no ${bytes.length} bytes (413)`, {
      hint: 'The registry, or a proxy before it, limits the size of an upload: raise it there, or split the package.',
    })
  // Where the registry sent us, oras is not to follow: it may take the login along.
  if (elsewhere || isTrouble(answer.status)) throw statusError(answer, repository)
  return false
}

async function isThere(session: RegistrySession, repository: Reference, digest: Digest): Promise<boolean> {
  const answer = await session.write({ repository, method: 'HEAD', path: `blobs/${digest}` })
  await dropBody(answer)
  if (isTrouble(answer.status)) throw statusError(answer, repository)
  // Elsewhere, as reads are sent: there.
  return answer.status === 200 || (answer.status >= 300 && answer.status < 400)
}

/** Statuses that say nothing about the way that was asked: another way would fare no better. */
function isTrouble(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501)
}
