import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { ANNOTATIONS } from '../../contract/artifact/artifact.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Env } from '../../packager/process.ts'
import { gatherFacts } from '../../packager/publish/build-facts.ts'
import { readCiRun } from '../../packager/publish/ci.ts'
import type { SigningKey } from '../../packager/publish/keys.ts'
import { compressedBytesMax, IMAGE_CONFIG } from './image-config.ts'
import { imageProvenance } from './image-provenance.ts'
import { replaceLayout } from './layout-folder.ts'
import { gatherMaterials, type Materials } from './materials.ts'
import { type ImageStatements, signImage } from './sign-image.ts'
import { commitOf, fewOf, type ImageSource, readSource } from './source.ts'
import { spdxDocument } from './spdx.ts'
import { type WrittenImage, writeImage } from './write-image.ts'

export type ImageOptions = {
  /** Of the OCI layout, which is replaced when the new one is whole. */
  readonly folder: string
  /** The checkout to build, as it stands; this one where nothing is said. */
  readonly root?: string
  readonly key?: SigningKey
  /** Where the source is at home, for label and provenance; what package.json says of its repository where nothing is said. */
  readonly source?: string
  /** What Git is run with, and the CI's run read from. */
  readonly env: Env
  readonly now: Date
  readonly onStep?: (step: string) => void
}

export type BuiltImage = WrittenImage & {
  readonly tag: string
  /** `linux/amd64` */
  readonly platform: string
  /** Of all layers, as they are pushed. */
  readonly compressedBytes: number
  readonly signed: boolean
  readonly from: ImageSource
  readonly source?: string
}

const aboutSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  repository: z.union([z.string(), z.object({ url: z.string() }).transform(({ url }) => url)]).optional(),
})
type About = z.infer<typeof aboutSchema>

/**
 * Builds the image of a checkout into an OCI layout, tagged with the version of package.json; with a key, signs it, and attests what is
 * in it and what it was built from. The same commit, Node and libraries give the same digest.
 * @throws WaybillError TOOL_*, DISK_*, GIT_*, FILE_EXISTS when the folder holds something else, LIMIT_EXCEEDED over 70 MB compressed,
 * BUILD_CONTRADICTED when what is to be signed is no commit
 */
export async function buildImage(options: ImageOptions): Promise<BuiltImage> {
  const { key, env, onStep = () => {} } = options
  const root = options.root ?? dirname(dirname(import.meta.dirname))
  const about = aboutSchema.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')))
  const from = await readSource(root, env)
  if (key !== undefined) requireCommit(from)
  const source = options.source ?? about.repository?.replace(/^git\+/, '')
  return replaceLayout(resolve(options.folder), async (folder) => {
    const materials = await gatherMaterials(root, onStep)
    const { layers, architecture } = materials
    onStep('compressing')
    const annotations = annotationsOf(about, from, source)
    const image = await writeImage({
      folder,
      tag: about.version,
      architecture,
      layers,
      config: IMAGE_CONFIG,
      created: from.committedAt,
      annotations,
    })
    const compressedBytes = image.layers.reduce((sum, { size }) => sum + size, 0)
    requireSmall(compressedBytes)
    const built: BuiltImage = {
      ...image,
      tag: about.version,
      platform: `linux/${architecture}`,
      compressedBytes,
      signed: key !== undefined,
      from,
      ...(source === undefined ? {} : { source }),
    }
    if (key === undefined) return built
    onStep('signing')
    await signImage(folder, image, statementsOf(built, about, materials, options), { key, now: options.now })
    return built
  })
}

function annotationsOf({ name, version, license }: About, from: ImageSource, source: string | undefined) {
  return {
    [ANNOTATIONS.title]: name,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': license,
    [ANNOTATIONS.created]: from.committedAt,
    ...(from.revision === undefined ? {} : { [ANNOTATIONS.revision]: commitOf(from.revision) }),
    ...(source === undefined ? {} : { [ANNOTATIONS.source]: source }),
  }
}

function statementsOf(
  { digest, platform, from, source }: BuiltImage,
  about: About,
  { components, lockSha256 }: Materials,
  { env, now }: ImageOptions,
): ImageStatements {
  const { revision = '', ref } = from
  const built = { commit: commitOf(revision), source: source ?? '', ...(ref === undefined ? {} : { ref }) }
  const tools = { [about.name]: about.version, node: process.versions.node }
  const build = { ...gatherFacts({}, readCiRun(env), built), tools, startedOn: now }
  const where = source === undefined ? {} : { source }
  return {
    provenance: imageProvenance({ build, ...where, revision, platform, lockSha256, components }),
    sbom: spdxDocument({ ...about, platform, digest, created: from.committedAt }, components),
  }
}

/** @throws WaybillError LIMIT_EXCEEDED */
export function requireSmall(compressedBytes: number): void {
  if (compressedBytes <= compressedBytesMax) return
  throw new WaybillError(
    'LIMIT_EXCEEDED',
    `the image has ${compressedBytes} bytes compressed; ${compressedBytesMax} are allowed`,
    {
      hint: 'Find what grew: a new dependency, or files in node_modules that no program reads (tools/image/modules-layer.ts).',
    },
  )
}

function requireCommit({ revision, uncommitted }: ImageSource): void {
  if (revision !== undefined) return
  throw new WaybillError(
    'BUILD_CONTRADICTED',
    uncommitted.length === 0
      ? 'there is no commit here that a signature could speak of'
      : `what is built is no commit: ${fewOf(uncommitted)} differ from it`,
    { hint: 'Commit, or take back, what differs; or build without --key.' },
  )
}
