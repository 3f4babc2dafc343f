import { parseConfig, parseManifest, type ReleaseConfig } from '../../contract/artifact/artifact.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { isVersion, parseChannel, type Reference } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { openBundle } from '../../contract/trust/bundle.ts'
import { PREDICATES, releasePredicateSchema, type Statement } from '../../contract/trust/statements.ts'
import { wait } from '../clock.ts'
import type { RegistryWriter } from '../publish/registry-writer.ts'
import type { Copier, Place } from './copier.ts'
import { mirrored, type PinnedImage, pinnedImages } from './images.ts'

/** One end of a copy. `name` is for people; `repository` is what the reader is asked about. */
export type CopyEnd = {
  readonly name: string
  readonly place: Place
  readonly repository: Reference
  readonly reader: RegistryReader
}

/** Where container images come from and go to. */
export type ImagePlaces = {
  readonly from: (image: PinnedImage) => Place
  /** The prefix of repositories, or the layout that takes all. */
  readonly to: { readonly prefix: Reference; readonly plainHttp: boolean } | { readonly layout: string }
  readonly reader: RegistryReader
}

export type CopyOptions = {
  readonly from: CopyEnd
  readonly to: CopyEnd & { readonly writer: Pick<RegistryWriter, 'tag'> }
  readonly digest: Digest
  /** The name that the source was asked by: it is copied too. */
  readonly tag?: string
  /** Channels that name the release at the source, and shall at the destination. */
  readonly channels: readonly string[]
  readonly images?: ImagePlaces
  readonly copier: Copier
  readonly onStep?: (step: string) => void
}

export type CopiedImage = { readonly image: string; readonly to: string }
export type Copied = {
  readonly reference: string
  readonly from: string
  readonly digest: Digest
  readonly package: ReleaseConfig['package']
  /** Names that stand for the release at the destination, and whether they were set just now. */
  readonly tags: readonly { readonly name: string; readonly changed: boolean }[]
  /** Sigstore bundles that are attached to it there. */
  readonly bundles: number
  readonly images: readonly CopiedImage[]
}

/**
 * Copies a release with everything attached to it, by digest; what arrived is read back, and names move last: the tag that was asked for,
 * every version that is released and named so at the source, and the channels given. Asking again changes nothing.
 * @throws WaybillError NOT_PUBLISHED, VERSION_TAKEN, CHANNEL_ELSEWHERE, IMAGE_UNPINNED (all before anything is written); READ_BACK_FAILED, REGISTRY_*, TOOL_*
 */
export async function copyRelease(options: CopyOptions): Promise<Copied> {
  const { from, to, digest, images, copier, onStep = () => {} } = options
  const config = await readConfig(from, digest)
  const bundles = await from.reader.fetchBundles(from.repository, digest)
  const names = await namesOf(options, bundles.flatMap(statementIn))
  const pinned = images === undefined ? [] : pinnedImages(imagesOf(config))
  for (const name of names.filter(isVersion)) await free(to, name, digest)

  await copyGraph(options, bundles.map(digestOf))
  const copied: CopiedImage[] = []
  for (const image of pinned) {
    if (images === undefined) break
    onStep(`copying image ${image.image}`)
    copied.push(await copyImage(image, images, copier))
  }
  const tags: { readonly name: string; readonly changed: boolean }[] = []
  for (const name of names) tags.push({ name, changed: await nameIt(options, name) })
  return {
    reference: `${to.name}@${digest}`,
    from: `${from.name}@${digest}`,
    digest,
    package: config.package,
    tags,
    bundles: bundles.length,
    images: copied,
  }
}

async function readConfig({ reader, repository }: CopyEnd, digest: Digest): Promise<ReleaseConfig> {
  const { config } = parseManifest(await reader.fetchManifest(repository, digest))
  return parseConfig(await reader.fetchBlob(repository, config, LIMITS.configBytesMax))
}

/** Versions first, then what moves. What a stranger attached names nothing: the source's own tag must say the same. */
async function namesOf(options: CopyOptions, statements: readonly Statement[]): Promise<readonly string[]> {
  const { from, digest, tag, channels } = options
  if (!statements.some(({ predicateType }) => predicateType === PREDICATES.signature))
    throw new WaybillError('NOT_PUBLISHED', `${from.name}@${digest}: carries no signature`)
  const versions: string[] = []
  for (const version of new Set(statements.flatMap(versionIn)))
    if ((await tagged(from, version)) === digest) versions.push(version)
  for (const channel of channels.map(parseChannel)) {
    const there = await tagged(from, channel)
    if (there !== digest)
      throw new WaybillError('CHANNEL_ELSEWHERE', `${from.name}: ${channel} is ${there ?? 'nothing'}, not ${digest}`)
  }
  const all = [...versions, ...(tag === undefined ? [] : [tag]), ...channels]
  return [...new Set([...all.filter(isVersion), ...all])]
}

/** Referrers get lost where others attach at the same time and there is no referrers API: then again. */
const roundsMax = 4

async function copyGraph({ from, to, digest, copier, onStep = () => {} }: CopyOptions, bundles: readonly Digest[]) {
  for (let round = 0; round < roundsMax; round++) {
    onStep(`copying ${from.name}@${digest}`)
    await copier.copy(from.place, to.place, digest, { referrers: true })
    onStep('reading back')
    const arrived = await readBack(to, digest)
    if (bundles.every((bundle) => arrived.includes(bundle))) return
    await wait(2 ** round * 50)
  }
  throw new WaybillError('READ_BACK_FAILED', `${to.name}@${digest}: what is attached at the source did not all arrive`)
}

/** Every byte, as a puller will read it. Gives the digests of the bundles. */
async function readBack({ reader, repository, name }: CopyEnd, digest: Digest): Promise<readonly Digest[]> {
  try {
    const { config, layers } = parseManifest(await reader.fetchManifest(repository, digest))
    await reader.fetchBlob(repository, config, LIMITS.configBytesMax)
    await reader.fetchBlob(repository, layers[0], LIMITS.layerBytesMax)
    return (await reader.fetchBundles(repository, digest)).map(digestOf)
  } catch (cause) {
    if (!(cause instanceof WaybillError) || cause.code === 'REGISTRY_UNREACHABLE') throw cause
    throw new WaybillError('READ_BACK_FAILED', `${name}@${digest}: ${cause.message}`, { cause })
  }
}

async function copyImage(found: PinnedImage, { from, to, reader }: ImagePlaces, copier: Copier): Promise<CopiedImage> {
  const { image, digest } = found
  const repository = 'layout' in to ? found.repository : mirrored(found.repository, to.prefix)
  const place: Place =
    'layout' in to ? { kind: 'layout', folder: to.layout } : { kind: 'registry', repository, plainHttp: to.plainHttp }
  await copier.copy(from(found), place, digest, { referrers: false })
  await reader.fetchManifest(repository, digest)
  return { image, to: `${'layout' in to ? to.layout : repository.repository}@${digest}` }
}

/** True when the name was set, false when it was there. A tag cannot be set only-if-absent: look before, and after. */
async function nameIt({ to, digest, onStep = () => {} }: CopyOptions, name: string): Promise<boolean> {
  if (isVersion(name)) await free(to, name, digest)
  if ((await tagged(to, name)) === digest) return false
  onStep(`naming it ${name}`)
  await to.writer.tag(to.repository, digest, name)
  const after = await tagged(to, name)
  if (after !== digest)
    throw new WaybillError('READ_BACK_FAILED', `${to.name}: ${name} is ${after ?? 'nothing'} right after it was set`)
  return true
}

async function free(to: CopyEnd, version: string, digest: Digest): Promise<void> {
  const there = await tagged(to, version)
  if (there !== undefined && there !== digest)
    throw new WaybillError('VERSION_TAKEN', `${to.name}: ${version} is ${there}, not ${digest}`)
}

async function tagged({ reader, repository }: CopyEnd, tag: string): Promise<Digest | undefined> {
  try {
    return await reader.resolveTag(repository, tag)
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return undefined
    throw error
  }
}

function imagesOf({ environments }: ReleaseConfig): readonly string[] {
  return [...new Set(Object.values(environments).flatMap(({ images }) => images))].sort()
}

function versionIn({ predicateType, predicate }: Statement): readonly string[] {
  const parsed = predicateType === PREDICATES.release ? releasePredicateSchema.safeParse(predicate) : undefined
  return parsed?.success && isVersion(parsed.data.releaseId) ? [parsed.data.releaseId] : []
}

function statementIn(bytes: Uint8Array): readonly Statement[] {
  try {
    return [openBundle(bytes).statement]
  } catch (error) {
    if (hasCode(error, 'ARTIFACT_INVALID')) return []
    throw error
  }
}
