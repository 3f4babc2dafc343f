import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { byDigest, type Reference } from '../contract/reference.ts'
import type { RegistryReader } from '../contract/registry/registry.ts'
import { openLayout } from '../packager/layout-store.ts'
import { isLayout } from './disk.ts'
import type { Flags } from './flags.ts'
import { type NamedPlace, parsePlace } from './place.ts'
import { openReader } from './registry.ts'
import type { Context } from './verb.ts'

type LayoutPlace = Extract<NamedPlace, { kind: 'layout' }>

/** A release that the command line names, resolved to a digest, and where to read it; closed at the end of its scope. */
export type OpenRelease = AsyncDisposable & {
  /** For people: `host/path@sha256:…` or `folder@sha256:…`. */
  readonly name: string
  readonly reference: Reference
  readonly digest: Digest
  readonly source: RegistryReader
}

/**
 * Opens `host/path:tag`, `host/path@sha256:…`, or an OCI layout's folder, with `:tag` or `@sha256:…` where it holds more than one.
 * @throws WaybillError REFERENCE_INVALID, DIGEST_INVALID, REGISTRY_*, FILE_UNREADABLE
 */
export async function openRelease(
  text: string,
  flags: Flags,
  context: Context,
  plainHttp = flags.on('plainHttp'),
): Promise<OpenRelease> {
  const place = await parsePlace(text, context)
  if (place.kind === 'layout') return openLayoutRelease(place)
  const { reference } = place
  const { reader, ...opened } = await openReader(flags, context, plainHttp)
  const dispose = () => opened[Symbol.asyncDispose]()
  try {
    const digest = reference.digest ?? (await reader.resolveTag(reference, tagOf(reference, text)))
    return { name: byDigest(reference, digest), reference, digest, source: reader, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function tagOf({ tag }: Reference, text: string): string {
  if (tag !== undefined) return tag
  throw new WaybillError('REFERENCE_INVALID', `"${text}": a tag or a digest is needed`)
}

async function openLayoutRelease({ name, folder, tag, digest }: LayoutPlace): Promise<OpenRelease> {
  if (!(await isLayout(folder)))
    throw new WaybillError('FILE_UNREADABLE', `${name}: there is no OCI layout, as \`waybill pack\` writes it`)
  const source = openLayout(folder)
  // A layout has no name in a registry; nothing that reads it asks for one.
  const reference = { registry: '', path: '', repository: name, ...(tag === undefined ? {} : { tag }) }
  const found =
    digest ?? (tag === undefined ? only(name, await source.releases()) : await source.resolveTag(reference, tag))
  return { name: `${name}@${found}`, reference, digest: found, source, [Symbol.asyncDispose]: async () => {} }
}

function only(name: string, digests: readonly Digest[]): Digest {
  const [digest] = digests
  if (digest !== undefined && digests.length === 1) return digest
  throw new WaybillError('REFERENCE_INVALID', `${name} holds ${digests.length} releases`, {
    hint: `Say which: ${digests.map((each) => `${name}@${each}`).join(', ') || 'it is empty'}`,
  })
}
