import { parseConfig, parseManifest, type ReleaseConfig } from '../contract/artifact/artifact.ts'
import { readLayer } from '../contract/artifact/layer.ts'
import type { KubeObject } from '../contract/artifact/objects.ts'
import { parseDigest } from '../contract/digest.ts'
import { hasCode, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { openBundle } from '../contract/trust/bundle.ts'
import { PREDICATES, provenancePredicateSchema, releasePredicateSchema } from '../contract/trust/statements.ts'
import type { DiffSide, Trees } from '../packager/diff/report.ts'
import { renderedTrees } from '../packager/diff/tree.ts'
import { openCommit, renderCommit, repositoryOf } from '../packager/pack-commit.ts'
import { findWorkingTree, listUncommitted } from '../packager/working-tree/git.ts'
import { commitOptions } from './commit.ts'
import { isLayout } from './disk.ts'
import { type Flags, pathFrom } from './flags.ts'
import { saysFolder } from './place.ts'
import { openRelease } from './release-source.ts'
import type { Context } from './verb.ts'

/** One side of a comparison: what it is, its tree digests, and its objects, which are read when they are asked for. */
export type OpenSide = {
  readonly side: DiffSide
  readonly digests: ReadonlyMap<string, string>
  /** The trees of these environments, of those that it has. */
  readonly load: (names: readonly string[]) => Promise<Trees>
}

/**
 * What a word on the command line is, by its form alone, so that nothing in a repository can make it another:
 * a folder where it begins with `.` or is an absolute path (no name of a commit does), a reference where a host, a path and a colon are
 * in it (no name of a branch or tag has a colon), and else a revision.
 */
export function kindOfName(text: string): 'layout' | 'reference' | 'revision' {
  if (saysFolder(text)) return 'layout'
  const host = /^([a-z0-9.-]+(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?)\/[^\s^~{}]+$/i.exec(text)?.[1]
  const named = host !== undefined && (/[.:]/.test(host) || host === 'localhost')
  return named && text.includes(':') ? 'reference' : 'revision'
}

/**
 * Opens both sides; of `only`, where it is not empty, the environments that they have. A release holds the environments of its repository,
 * so of a commit beside it those that belong there count. What is read of a release is closed before it resolves.
 * @throws WaybillError REFERENCE_INVALID, FILE_UNREADABLE, REGISTRY_*, ARTIFACT_INVALID; GIT_*, PACKAGE_FILE_*, and those of rendering
 */
export async function openSides(
  names: readonly [string, string],
  only: readonly string[],
  flags: Flags,
  context: Context,
): Promise<readonly [OpenSide, OpenSide]> {
  const open = (text: string, home?: string) =>
    kindOfName(text) === 'revision'
      ? openRevision(text, { only, ...(home !== undefined && { home }) }, flags, context)
      : openReleaseSide(text, only, flags, context)
  const [before, after] = names
  if (kindOfName(before) !== 'revision') {
    const old = await open(before)
    return [old, await open(after, old.side.repository)]
  }
  if (kindOfName(after) === 'revision') return [await open(before), await open(after)]
  const now = await open(after)
  return [await open(before, now.side.repository), now]
}

async function openReleaseSide(
  text: string,
  only: readonly string[],
  flags: Flags,
  context: Context,
): Promise<OpenSide> {
  if (kindOfName(text) === 'layout' && !(await isLayout(pathFrom(context.cwd, text.split('@')[0] ?? ''))))
    throw new WaybillError('FILE_UNREADABLE', `${text}: not the folder of an OCI layout`, {
      hint: 'Name the folder that `waybill pack --out` wrote, a reference with its tag or digest, or a revision.',
    })
  await using opened = await openRelease(text, flags, context)
  const { source, reference, digest } = opened
  const manifest = parseManifest(await source.fetchManifest(reference, digest))
  const blob = (descriptor: { digest: string; size: number }, bytesMax: number) =>
    source.fetchBlob(reference, { digest: parseDigest(descriptor.digest), size: descriptor.size }, bytesMax)
  const config = parseConfig(await blob(manifest.config, LIMITS.configBytesMax))
  const environments = Object.entries(config.environments).filter(([name]) => wanted(only, name))
  const layer = await blob(manifest.layers[0], LIMITS.layerBytesMax)
  const load = async (names: readonly string[]) => {
    const trees = new Map<string, { treeDigest: string; objects: readonly KubeObject[] }>()
    for (const [name, { treeDigest }] of environments.filter(([name]) => names.includes(name))) {
      const objects = (await readLayer(layer, config, name)).map(({ object }) => object)
      trees.set(name, { treeDigest, objects })
    }
    return trees
  }
  return {
    side: releaseSide(text, digest, config, await source.fetchBundles(reference, digest)),
    digests: new Map(environments.map(([name, { treeDigest }]) => [name, treeDigest])),
    load,
  }
}

function releaseSide(name: string, digest: string, config: ReleaseConfig, bundles: readonly Uint8Array[]): DiffSide {
  const statements = bundles.flatMap(readStatement)
  const versions = statements
    .filter(({ predicateType }) => predicateType === PREDICATES.release)
    .flatMap(({ predicate }) => releasePredicateSchema.safeParse(predicate).data?.releaseId ?? [])
  const provenance = statements
    .filter(({ predicateType }) => predicateType === PREDICATES.provenance)
    .flatMap(({ predicate }) => provenancePredicateSchema.safeParse(predicate).data ?? [])
  const { waybill: _waybill, ...tools } = provenance[0]?.runDetails.builder.version ?? {}
  return {
    name,
    kind: 'release',
    digest,
    package: config.package.name,
    repository: config.package.repository,
    source: config.source.repository,
    revision: config.source.revision,
    committedAt: config.source.committedAt,
    kubernetes: config.kubernetes.version,
    versions: [...new Set(versions)].sort(),
    ...(provenance[0] !== undefined && { tools }),
  }
}

/** Anybody can attach anything; what cannot be read has nothing to say here. */
function readStatement(bytes: Uint8Array) {
  try {
    return [openBundle(bytes).statement]
  } catch {
    return []
  }
}

/** `home`: the repository whose environments count, where the commit has any that belong there. */
type Choice = { readonly only: readonly string[]; readonly home?: string }

async function openRevision(rev: string, { only, home }: Choice, flags: Flags, context: Context): Promise<OpenSide> {
  const options = commitOptions(flags, context, rev)
  const { commit, packageFile } = await openCommit(options).catch((error: unknown) => tellFolder(error, rev, context))
  const all = Object.keys(packageFile.environments)
  const there = all.filter((name) => repositoryOf(packageFile, name) === home)
  const names = (there.length === 0 ? all : there).filter((name) => wanted(only, name))
  context.progress(`rendering ${rev}`)
  const rendered =
    names.length === 0 ? undefined : await renderCommit({ ...options, rev: commit.sha, environments: names })
  const trees = rendered === undefined ? new Map() : renderedTrees(rendered.rendered)
  const uncommitted = rev === 'HEAD' && (await hasUncommitted(commit.repo, commit.sha, context.env))
  return {
    side: {
      name: rev,
      kind: 'commit',
      package: packageFile.name,
      repository: there.length === 0 || home === undefined ? packageFile.repository : home,
      source: packageFile.source,
      revision: commit.revision,
      committedAt: commit.committedAt,
      kubernetes: packageFile.kubernetesVersion,
      versions: [],
      tools: rendered?.rendered.tools ?? {},
      ...(uncommitted && { uncommitted }),
    },
    digests: new Map([...trees].map(([name, { treeDigest }]) => [name, treeDigest])),
    load: async (asked) => new Map([...trees].filter(([name]) => asked.includes(name))),
  }
}

/** Whoever names a folder without its `./` is told so; it is a revision all the same. */
async function tellFolder(error: unknown, rev: string, { cwd }: Context): Promise<never> {
  if (!hasCode(error, 'GIT_REVISION') || !(await isLayout(pathFrom(cwd, rev.split('@')[0] ?? '')))) throw error
  throw new WaybillError('GIT_REVISION', error.message, { hint: `For the folder, write ./${rev}.`, cause: error })
}

async function hasUncommitted(repo: string, sha: string, env: Context['env']): Promise<boolean> {
  try {
    return (await listUncommitted(await findWorkingTree(repo, env), sha, env)).length > 0
  } catch (error) {
    // A bare repository has no files that could differ.
    if (hasCode(error, 'GIT_REPOSITORY')) return false
    throw error
  }
}

function wanted(only: readonly string[], name: string): boolean {
  return only.length === 0 || only.includes(name)
}
