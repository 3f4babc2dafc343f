import { type BuildFacts, runDetails } from '../../packager/publish/provenance.ts'
import type { Component } from './component.ts'
import { commitOf } from './source.ts'

/** SLSA buildType of what `npm run image` does; docs/guides/image.md describes its parameters. */
export const IMAGE_BUILD_TYPE = 'https://waybill.dev/build-types/image/v1'

export type ImageBuild = {
  readonly build: BuildFacts
  /** Where the source is at home, a URI; absent where nobody said. */
  readonly source?: string
  /** `sha1:<40 hex>` */
  readonly revision: string
  /** `linux/amd64` */
  readonly platform: string
  /** 64 hex digits. */
  readonly lockSha256: string
  readonly components: readonly Component[]
}

/** SLSA provenance v1 of an image: the commit, the lock file that names every npm package, and each file that the machine brought along. */
export function imageProvenance(image: ImageBuild): Record<string, unknown> {
  const { build, source, revision, platform, lockSha256, components } = image
  const { ref, workflow, actor, run } = build
  const repository = source ?? run?.repository
  const uri = repository === undefined ? {} : { uri: `git+${repository}${ref === undefined ? '' : `@${ref}`}` }
  return {
    buildDefinition: {
      buildType: IMAGE_BUILD_TYPE,
      externalParameters: {
        source: { ...(repository === undefined ? {} : { repository }), ...(ref === undefined ? {} : { ref }) },
        platform,
        ...(workflow === undefined ? {} : { workflow }),
      },
      internalParameters: { ...run, ...(actor === undefined ? {} : { actor }) },
      resolvedDependencies: [
        { name: 'source', ...uri, digest: { gitCommit: commitOf(revision) } },
        { name: 'package-lock.json', digest: { sha256: lockSha256 } },
        ...components.flatMap(({ purl, files }) =>
          files.map(({ path, sha256 }) => ({ name: path, uri: purl, digest: { sha256 } })),
        ),
      ],
    },
    runDetails: runDetails(build),
  }
}
