import { z } from 'zod'
import { canonicalJson, isJsonObject, type Json, parseCanonicalJson } from '../canonical-json.ts'
import { type Digest, digestOf, isDigest } from '../digest.ts'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** The artifact's media types. A change of the contract bumps the `v1` in the first two (docs/FORMAT.md). */
export const MEDIA = {
  artifactType: 'application/vnd.waybill.release.v1',
  config: 'application/vnd.waybill.release.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  bundle: 'application/vnd.dev.sigstore.bundle.v0.3+json',
} as const

/** OCI image-spec 1.1, annotations.md. */
export const ANNOTATIONS = {
  created: 'org.opencontainers.image.created',
  source: 'org.opencontainers.image.source',
  revision: 'org.opencontainers.image.revision',
  title: 'org.opencontainers.image.title',
} as const

export const digestSchema = z.string().refine(isDigest, 'a digest sha256:<64 hex digits>')
/** `sha1:<40 hex>`, or `sha256:<64 hex>` for repositories in Git's newer object format. */
export const revisionSchema = z.string().regex(/^(?:sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64})$/, 'sha1:<40 hex digits>')
export const packageNameSchema = z
  .string()
  .max(63)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'a lower-case name (RFC 1123 label)')
export const environmentNameSchema = packageNameSchema
/** UTC, whole seconds: `2026-11-21T10:00:00Z`. */
export const timestampSchema = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'a UTC time such as 2026-11-21T10:00:00Z')

const hexSchema = z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits')
const nameSchema = z.string().min(1).max(253)

export const listedObjectSchema = z.strictObject({
  apiVersion: z.string().min(1).max(317),
  kind: z.string().min(1).max(63),
  namespace: z.string().min(1).max(63).optional(),
  name: nameSchema,
  /** Inside the environment's folder: what `objectPath` gives. */
  path: z.string().min(1).max(LIMITS.pathBytesMax),
  /** Of the file's bytes. */
  sha256: hexSchema,
})

export const environmentSchema = z.strictObject({
  treeDigest: digestSchema,
  objects: z.array(listedObjectSchema).max(LIMITS.objectsPerEnvironmentMax),
  /** Container images of this environment's objects, sorted, each once. */
  images: z.array(z.string().min(1).max(1024)).max(LIMITS.objectsPerEnvironmentMax),
})

/** Values by name. `__proto__`, which a schema of records passes over unseen, is refused like any other name that is none. */
export function byEnvironment<T extends z.ZodType>(value: T) {
  return z
    .unknown()
    .refine((found) => !isJsonObject(found) || !Object.hasOwn(found, '__proto__'), '__proto__ is no name')
    .pipe(z.record(environmentNameSchema, value))
}

export const configSchema = z.strictObject({
  schemaVersion: z.literal(1),
  package: z.strictObject({ name: packageNameSchema, repository: z.string().min(3).max(512) }),
  source: z.strictObject({
    repository: z.string().min(1).max(2048),
    revision: revisionSchema,
    committedAt: timestampSchema,
  }),
  kubernetes: z.strictObject({ version: z.string().max(32) }),
  environments: byEnvironment(environmentSchema),
})

/** The artifact's config: what it holds, for every environment, with the hash of every file. */
export type ReleaseConfig = z.infer<typeof configSchema>
export type ReleaseEnvironment = z.infer<typeof environmentSchema>
export type ListedObject = z.infer<typeof listedObjectSchema>

const descriptorSchema = z.object({
  mediaType: z.string().max(255),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
})
export type Descriptor = z.infer<typeof descriptorSchema>

const releaseManifestSchema = z.strictObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(MEDIA.manifest),
  artifactType: z.literal(MEDIA.artifactType),
  config: descriptorSchema
    .extend({ mediaType: z.literal(MEDIA.config), size: z.int().min(0).max(LIMITS.configBytesMax) })
    .strict(),
  layers: z.tuple([
    descriptorSchema
      .extend({ mediaType: z.literal(MEDIA.layer), size: z.int().min(0).max(LIMITS.layerBytesMax) })
      .strict(),
  ]),
  annotations: z.strictObject({
    [ANNOTATIONS.created]: timestampSchema,
    [ANNOTATIONS.source]: z.string(),
    [ANNOTATIONS.revision]: revisionSchema,
    [ANNOTATIONS.title]: packageNameSchema,
  }),
})

/** OCI image-spec 1.1 image manifest with exactly one layer, as docs/FORMAT.md narrows it. */
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>

/** Writes the manifest of a release from its config and the two blobs; canonical JSON, so its digest depends on them alone. */
export function writeManifest(config: ReleaseConfig, configBytes: Uint8Array, layerBytes: Uint8Array): Uint8Array {
  const manifest: ReleaseManifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: MEDIA.artifactType,
    config: { mediaType: MEDIA.config, digest: digestOf(configBytes), size: configBytes.length },
    layers: [
      {
        mediaType: MEDIA.layer,
        digest: digestOf(layerBytes),
        size: layerBytes.length,
        annotations: { [ANNOTATIONS.title]: `${config.package.name}.tar.gz` },
      },
    ],
    annotations: {
      [ANNOTATIONS.created]: config.source.committedAt,
      [ANNOTATIONS.source]: config.source.repository,
      [ANNOTATIONS.revision]: config.source.revision,
      [ANNOTATIONS.title]: config.package.name,
    },
  }
  return Buffer.from(canonicalJson(manifest), 'utf8')
}

/** @throws WaybillError ARTIFACT_INVALID, saying which field */
export function parseManifest(bytes: Uint8Array): ReleaseManifest {
  return parseWith('the manifest', releaseManifestSchema, parseCanonicalJson('the manifest', bytes))
}

export function writeConfig(config: ReleaseConfig): Uint8Array {
  return Buffer.from(canonicalJson(config), 'utf8')
}

/**
 * Reads a config and holds it against itself. That paths are what `objectPath` gives is the reader of the layer's to check;
 * here every environment's tree digest must be that of its listed objects.
 * @throws WaybillError ARTIFACT_INVALID, saying which field
 */
export function parseConfig(bytes: Uint8Array): ReleaseConfig {
  const config = parseWith('the config', configSchema, parseCanonicalJson('the config', bytes))
  if (Object.keys(config.environments).length > LIMITS.environmentsMax)
    throw new WaybillError('ARTIFACT_INVALID', `the config: more than ${LIMITS.environmentsMax} environments`)
  for (const [name, environment] of Object.entries(config.environments))
    if (treeDigest(environment.objects) !== environment.treeDigest)
      throw new WaybillError(
        'ARTIFACT_INVALID',
        `the config: the tree digest of environment ${name} is not that of its objects`,
      )
  return config
}

/**
 * The digest of an environment: sha256 over the lines `<sha256>  <path>\n`, sorted by path bytewise. The same as
 * `find * -name '*.json' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum` in the environment's folder.
 */
export function treeDigest(objects: readonly Pick<ListedObject, 'path' | 'sha256'>[]): Digest {
  const lines = objects
    .map(({ path, sha256 }) => ({ path, line: `${sha256}  ${path}\n` }))
    .sort((a, b) => compareBytes(a.path, b.path))
  return digestOf(lines.map(({ line }) => line).join(''))
}

/** Orders strings by their UTF-8 bytes: the one order that no locale changes. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'))
}

function parseWith<T>(what: string, schema: z.ZodType<T>, value: Json): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new WaybillError(
    'ARTIFACT_INVALID',
    `${what}: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'invalid'}`,
  )
}
