import type { ReleaseConfig } from '../../contract/artifact/artifact.ts'
import { BUILD_TYPE, type ProvenancePredicate } from '../../contract/trust/statements.ts'

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
  /** `--actor`: who set the run off. */
  readonly actor?: string
  /** The CI's run: which CI, of which repository, on what event, on which machine. */
  readonly run?: {
    readonly ci: string
    readonly repository: string
    readonly event?: string
    readonly runner?: string
  }
  readonly startedOn?: Date
  readonly finishedOn?: Date
}

/** The builder id of somebody's own machine. */
export const LOCAL_BUILDER_ID = 'https://waybill.dev/builders/local'

/** SLSA provenance v1 (slsa.dev/spec/v1.1/provenance) of a release: what the config says of its source, and what the build says of itself. */
export function provenancePredicate({ source }: ReleaseConfig, build: BuildFacts): ProvenancePredicate {
  const { ref, workflow, actor, run } = build
  const at = ref === undefined ? '' : `@${ref}`
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: {
        source: { repository: source.repository, ...(ref === undefined ? {} : { ref }) },
        ...(workflow === undefined ? {} : { workflow }),
      },
      // SLSA v1.1, "internalParameters": set by who builds; for debugging, and nothing that a policy rests on.
      internalParameters: { ...run, ...(actor === undefined ? {} : { actor }) },
      resolvedDependencies: [
        {
          uri: `${gitUri(source.repository)}${at}`,
          digest: { gitCommit: source.revision.slice(source.revision.indexOf(':') + 1) },
        },
      ],
    },
    runDetails: runDetails(build),
  }
}

/** SLSA v1.1, "RunDetails": who builds, with what, in which run, and when. */
export function runDetails(build: BuildFacts): ProvenancePredicate['runDetails'] {
  const { builderId, tools = {}, invocationId, startedOn, finishedOn } = build
  return {
    builder: { id: builderId, version: { ...tools } },
    metadata: {
      ...(invocationId === undefined ? {} : { invocationId }),
      ...(startedOn === undefined ? {} : { startedOn: seconds(startedOn) }),
      ...(finishedOn === undefined ? {} : { finishedOn: seconds(finishedOn) }),
    },
    byproducts: [],
  }
}

/** True when both say that the same was built from the same by the same; another run of it is not another fact. */
export function sameBuild(a: ProvenancePredicate, b: ProvenancePredicate): boolean {
  const facts = ({ buildDefinition, runDetails }: ProvenancePredicate) => {
    const { source, workflow } = buildDefinition.externalParameters
    const commits = buildDefinition.resolvedDependencies.map(({ uri, digest }) => [uri, digest.gitCommit])
    return JSON.stringify([source.repository, source.ref, workflow, commits, runDetails.builder.id])
  }
  return facts(a) === facts(b)
}

/** A UTC time in whole seconds, as the contract writes times. */
export function seconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

function gitUri(repository: string): string {
  return repository.startsWith('git+') ? repository : `git+${repository}`
}
