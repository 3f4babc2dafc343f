import { type Digest, parseDigest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { byDigest, parseReference, type Reference } from '../contract/reference.ts'
import type { BlobSource, ManifestSource } from '../contract/registry/registry.ts'
import { isLayout, layoutDigests, layoutSource } from './disk.ts'
import { type Flags, pathFrom } from './flags.ts'
import { openReader } from './registry.ts'
import type { Context } from './verb.ts'

/** A release that the command line names, resolved to a digest, and where to read it; closed at the end of its scope. */
export type OpenRelease = AsyncDisposable & {
  /** For people: `host/path@sha256:…` or `folder@sha256:…`. */
  readonly name: string
  readonly reference: Reference
  readonly digest: Digest
  readonly source: ManifestSource & BlobSource
}

/**
 * Opens `host/path:tag`, `host/path@sha256:…`, or an OCI layout's folder, with `@sha256:…` where it holds more than one.
 * @throws WaybillError REFERENCE_INVALID, DIGEST_INVALID, REGISTRY_*, FILE_UNREADABLE
 */
export async function openRelease(text: string, flags: Flags, context: Context): Promise<OpenRelease> {
  const [folder = '', digestText] = text.split('@')
  if (await isLayout(pathFrom(context.cwd, folder)))
    return openLayout(pathFrom(context.cwd, folder), folder, digestText)
  if (/^(?:\.{0,2}\/|\.{1,2}$)/.test(folder))
    throw new WaybillError('FILE_UNREADABLE', `${folder}: there is no OCI layout, as \`waybill pack\` writes it`)
  const reference = parseReference(text)
  const { reader, ...opened } = await openReader(flags, context)
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

async function openLayout(folder: string, name: string, digestText: string | undefined): Promise<OpenRelease> {
  const digests = await layoutDigests(folder)
  const digest = digestText === undefined ? only(name, digests) : parseDigest(digestText)
  return {
    name: `${name}@${digest}`,
    // A layout has no name in a registry; nothing that reads it asks for one.
    reference: { registry: '', path: '', repository: name },
    digest,
    source: layoutSource(folder),
    [Symbol.asyncDispose]: async () => {},
  }
}

function only(name: string, digests: readonly Digest[]): Digest {
  const [digest] = digests
  if (digest !== undefined && digests.length === 1) return digest
  throw new WaybillError('REFERENCE_INVALID', `${name} holds ${digests.length} releases`, {
    hint: `Say which: ${digests.map((each) => `${name}@${each}`).join(', ') || 'it is empty'}`,
  })
}
