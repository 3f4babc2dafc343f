import { PackageURL } from 'packageurl-js'
import { z } from 'zod'
import { timestampSchema } from '../artifact/artifact.ts'
import { type Digest, digestHex } from '../digest.ts'
import { parseRepository } from '../reference.ts'

/**
 * The in-toto statements that travel with an artifact (in-toto attestation v1.0 Statement), each with the artifact's
 * manifest as its one subject, each in a Sigstore bundle v0.3 of its own.
 */
export const PREDICATES = {
  /** What `cosign sign` writes: an empty predicate. */
  signature: 'https://sigstore.dev/cosign/sign/v1',
  /** SLSA 1.0–1.2 build provenance. */
  provenance: 'https://slsa.dev/provenance/v1',
  /** in-toto release v0.1: binds a version to the digest. */
  release: 'https://in-toto.io/attestation/release/v0.1',
  /** Ours: binds a channel to the digest, in order. */
  promotion: 'https://waybill.dev/attestations/promotion/v1',
  /** SPDX 2.x: what is in an image (tools/image); releases carry none. */
  sbom: 'https://spdx.dev/Document',
} as const

export type PredicateRole = keyof typeof PREDICATES
/** What a release carries. */
export type StatementRole = Exclude<PredicateRole, 'sbom'>

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json'
/** SLSA buildType of what the packager does; docs/FORMAT.md describes its parameters. */
export const BUILD_TYPE = 'https://waybill.dev/build-types/render/v1'

export const statementSchema = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  subject: z
    .array(z.object({ name: z.string().optional(), digest: z.record(z.string(), z.string()) }))
    .min(1)
    .max(16),
  predicateType: z.string().max(512),
  predicate: z.record(z.string(), z.unknown()),
})
export type Statement = z.infer<typeof statementSchema>

export function statement(subject: Digest, role: PredicateRole, predicate: Record<string, unknown>): Statement {
  return {
    _type: STATEMENT_TYPE,
    subject: [{ digest: { sha256: digestHex(subject) } }],
    predicateType: PREDICATES[role],
    predicate,
  }
}

export const releasePredicateSchema = z.object({
  /** `packageUrl(repository, digest)`. */
  purl: z.string(),
  /** The version. */
  releaseId: z.string(),
})
export type ReleasePredicate = z.infer<typeof releasePredicateSchema>

export const promotionPredicateSchema = z.strictObject({
  /** `packageUrl(canonical repository)`: the package, not one artifact of it. */
  package: z.string(),
  channel: z.string(),
  /** Only grows within a package and channel. The packager takes the larger of (the highest it sees + 1) and Unix seconds. */
  sequence: z.int().min(1),
  /** The digest that the channel named before; absent for the first. */
  previous: z.string().optional(),
  reason: z.string().max(1024).optional(),
  promotedAt: timestampSchema,
})
export type PromotionPredicate = z.infer<typeof promotionPredicateSchema>

/** SLSA provenance v1, narrowed to what the packager writes and verifiers read; unknown external parameters are refused. */
export const provenancePredicateSchema = z.object({
  buildDefinition: z.object({
    buildType: z.literal(BUILD_TYPE),
    externalParameters: z.strictObject({
      source: z.strictObject({ repository: z.string(), ref: z.string().optional() }),
      /** The workflow file that ran, where the CI says. */
      workflow: z.string().optional(),
    }),
    internalParameters: z.record(z.string(), z.unknown()).optional(),
    resolvedDependencies: z
      .array(z.object({ uri: z.string(), digest: z.record(z.string(), z.string()), name: z.string().optional() }))
      .min(1),
  }),
  runDetails: z.object({
    builder: z.object({ id: z.string().min(1), version: z.record(z.string(), z.string()).optional() }),
    metadata: z
      .object({
        invocationId: z.string().optional(),
        startedOn: z.string().optional(),
        finishedOn: z.string().optional(),
      })
      .optional(),
    byproducts: z.array(z.unknown()).optional(),
  }),
})
export type ProvenancePredicate = z.infer<typeof provenancePredicateSchema>

/**
 * The package URL of a package (`pkg:oci/shop?repository_url=registry.example.com/acme/shop`), or, with a digest, of one
 * artifact of it (purl-spec, type oci). `repository` is the canonical one, also where a mirror is read.
 */
export function packageUrl(repository: string, digest?: Digest): string {
  const { path } = parseRepository(repository)
  const name = path.slice(path.lastIndexOf('/') + 1)
  return new PackageURL('oci', undefined, name, digest, { repository_url: repository }, undefined).toString()
}
