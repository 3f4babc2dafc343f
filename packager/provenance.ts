import type { ReleaseConfig } from '../contract/artifact.ts'
import { type ProvenancePredicate, provenancePredicateSchema } from '../contract/statements.ts'

/** What a build knows of itself beyond the commit. */
export type BuildFacts = {
  /** `--builder-id`: who builds, a URI. */
  readonly builderId: string
  /** Name → version, `waybill` among them. */
  readonly tools?: Readonly<Record<string, string>>
  /** `--ref`: `refs/heads/main`, `refs/tags/v1.4.2`. */
  readonly ref?: string
  /** `--workflow` */
  readonly workflow?: string
  /** `--invocation-id`: the run, as the CI names it. */
  readonly invocationId?: string
  readonly startedOn?: Date
  readonly finishedOn?: Date
}

/** The builder id of somebody's own machine. */
export const LOCAL_BUILDER_ID = 'https://waybill.dev/builders/local'

/** SLSA provenance v1 of a release. */
export function provenancePredicate(_release: ReleaseConfig, _build: BuildFacts): ProvenancePredicate {
  return provenancePredicateSchema.parse({})
}
