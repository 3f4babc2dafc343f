import type { ReleaseConfig } from '../contract/artifact/artifact.ts'
import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { packArtifacts } from '../packager/pack-commit.ts'
import { commitOptions } from './commit.ts'
import type { Flags } from './flags.ts'
import type { Context } from './verb.ts'

/**
 * Packs the commit that a release says it comes from again, and compares the digests.
 * @throws WaybillError REBUILD_DIFFERS, and those of packing
 */
export async function rebuildCheck(config: ReleaseConfig, expected: Digest, flags: Flags, context: Context) {
  const { revision } = config.source
  const packed = await packArtifacts(commitOptions(flags, context, revision.slice(revision.indexOf(':') + 1)))
  const digest = packed.find(({ release }) => release.package.repository === config.package.repository)?.digest
  if (digest !== expected)
    throw new WaybillError(
      'REBUILD_DIFFERS',
      `packing ${revision} again gives ${digest ?? `nothing for ${config.package.repository}`}, not ${expected}`,
    )
  return { check: 'rebuild', ok: true, detail: `packing ${revision} again gives the same digest` }
}
