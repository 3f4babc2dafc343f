import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { compareBytes } from '../contract/artifact/artifact.ts'
import type { Digest } from '../contract/digest.ts'
import { type Fault, WaybillError } from '../contract/errors.ts'
import { assertFaultless, check } from './check.ts'
import { type Checkout, withCheckout } from './checkout.ts'
import { diskError } from './disk.ts'
import { type Commit, listTree, readBlobs, resolveCommit, type TreeEntry } from './git.ts'
import { brokenLock, LOCK_FILE, type Lock, NO_LOCK, readLock } from './lock/lock-file.ts'
import { lockImages } from './lock/lock-images.ts'
import { type Packed, packRelease } from './pack.ts'
import { PACKAGE_FILE, type PackageFile, parsePackageFile } from './package-file.ts'
import type { Env } from './process.ts'
import { assertSame, examineTools, findTools, renderOnce } from './render/render.ts'
import type { Rendered } from './render/rendered.ts'
import { readKubernetes } from './schemas/disk.ts'

export type CommitOptions = {
  /** A folder in a Git repository. */
  readonly repo: string
  /** Default HEAD. */
  readonly rev?: string
  /** The folder whose `waybill.yaml` counts, relative to the repository's root. Default: the root. */
  readonly path?: string
  /** Render these environments only (`render --env`); an artifact always holds all. */
  readonly environments?: readonly string[]
  /** The environment of the entry point: PATH, HOME, WAYBILL_KUSTOMIZE, WAYBILL_HELM, and what Git needs to reach its objects. */
  readonly env: Env
  /** Where temporary folders go. */
  readonly tempDir: string
  /** Told before each step, in a few words. */
  readonly onStep?: (step: string) => void
}

/** A commit, its `waybill.yaml` and its `waybill.lock`. */
export type OpenedCommit = { readonly commit: Commit; readonly packageFile: PackageFile; readonly lock: Lock }
export type RenderedCommit = OpenedCommit & { readonly rendered: Rendered }
export type EnvironmentSummary = {
  readonly treeDigest: Digest | string
  readonly objects: number
  readonly images: readonly string[]
}
export type CheckedCommit = Omit<OpenedCommit, 'lock'> & {
  readonly environments: ReturnType<typeof check>['environments']
  /** The versions that ran, by tool. */
  readonly tools: Readonly<Record<string, string>>
  readonly warnings: readonly Fault[]
}
export type PackedCommit = Packed & {
  readonly commit: Commit
  readonly packageFile: PackageFile
  readonly tools: Readonly<Record<string, string>>
  readonly warnings: readonly Fault[]
  readonly environments: Readonly<Record<string, EnvironmentSummary>>
}

/** Resolves the revision and reads its `waybill.yaml` and `waybill.lock`. @throws WaybillError GIT_*, PACKAGE_FILE_*, FIELD_UNSUPPORTED */
export async function openCommit(options: CommitOptions): Promise<OpenedCommit> {
  const commit = await resolveCommit(options.repo, options.rev, options.env)
  const tree = await listTree(commit, options.env)
  const folder = folderOf(options.path)
  const packageBytes = await readEntry(commit, tree, `${folder}${PACKAGE_FILE}`, options.env)
  if (packageBytes === undefined) throw noPackageFile(commit, tree, folder)
  const packageFile = parsePackageFile(packageBytes, `${folder}${PACKAGE_FILE}`)
  return { commit, packageFile, lock: await readCommittedLock(commit, tree, `${folder}${LOCK_FILE}`, options.env) }
}

/** `packages/api/`, or nothing for the root. */
export function folderOf(path = ''): string {
  const plain = path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '')
  return plain === '' || plain === '.' ? '' : `${plain}/`
}

function noPackageFile({ sha }: Commit, tree: readonly TreeEntry[], folder: string): WaybillError {
  const others = tree.flatMap(({ path }) =>
    path.endsWith(`/${PACKAGE_FILE}`) ? [path.slice(0, -PACKAGE_FILE.length - 1)] : [],
  )
  const some = `${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`
  const hint = `There is one in ${some}: name the folder with --path, relative to the root.`
  const message = `commit ${sha.slice(0, 12)} has no ${PACKAGE_FILE} ${folder === '' ? 'at its root' : `in ${folder}`}`
  return new WaybillError('PACKAGE_FILE_MISSING', message, others.length === 0 ? {} : { hint })
}

async function readCommittedLock(commit: Commit, tree: readonly TreeEntry[], file: string, env: Env): Promise<Lock> {
  const bytes = await readEntry(commit, tree, file, env)
  const there = tree.some(({ path }) => path === file)
  if (bytes === undefined && !there) return NO_LOCK
  const { images, faults } =
    bytes === undefined ? brokenLock('it is no file, but a link or a submodule') : readLock(bytes)
  return { images, faults: faults.map((fault) => ({ ...fault, file })) }
}

async function readEntry(
  commit: Commit,
  tree: readonly TreeEntry[],
  file: string,
  env: Env,
): Promise<Uint8Array | undefined> {
  const entry = tree.find(({ path, type }) => path === file && type === 'file')
  if (entry === undefined) return undefined
  for await (const { bytes } of readBlobs(commit, [entry], env)) return bytes
  throw new WaybillError('GIT_FAILED', `${file} cannot be read`)
}

/**
 * Renders a commit twice, out of two fresh checkouts; gives the objects, normalised, with where they came from, before any check.
 * @throws WaybillError as openCommit; TOOL_MISSING, RENDER_FAILED, RENDER_UNSTABLE, ENVIRONMENT_MISSING, DISK_*; CHECK_FAILED with what is wrong
 * in the files themselves
 */
export async function renderCommit(options: CommitOptions): Promise<RenderedCommit> {
  const result = await renderLocked(options)
  assertFaultless(result.rendered.faults)
  return result
}

/** As renderCommit, with images as the files have them: what `waybill lock` starts from. */
export async function renderUnlocked(options: CommitOptions): Promise<RenderedCommit> {
  const result = await renderTwice(options)
  assertFaultless(result.rendered.faults)
  return result
}

/** Renders, and checks everything. @throws WaybillError as renderCommit; CHECK_FAILED with every fault */
export async function checkCommit(options: CommitOptions): Promise<CheckedCommit> {
  const { commit, packageFile, rendered } = await renderLocked(options)
  options.onStep?.('checking')
  const kubernetes = await readKubernetes(packageFile.kubernetesVersion)
  return { commit, packageFile, ...check(rendered, packageFile, kubernetes) }
}

/**
 * Renders, checks and packs a commit: the same commit, the same bytes. An artifact for each repository that `waybill.yaml` declares, with the
 * environments that belong there and no other: the package's own first, then by name. @throws WaybillError as checkCommit; LIMIT_EXCEEDED
 */
export async function packArtifacts(
  options: Omit<CommitOptions, 'environments'>,
): Promise<readonly [PackedCommit, ...PackedCommit[]]> {
  const { commit, packageFile, environments, tools, warnings } = await checkCommit(options)
  options.onStep?.('packing')
  const pack = (repository: string): PackedCommit => {
    const belongs = ([name]: readonly [string, unknown]) => repositoryOf(packageFile, name) === repository
    const packed = packRelease({
      package: { name: packageFile.name, repository },
      source: { repository: packageFile.source, revision: commit.revision, committedAt: commit.committedAt },
      kubernetes: { version: packageFile.kubernetesVersion },
      environments: Object.fromEntries(Object.entries(environments).filter(belongs)),
    })
    return { ...packed, commit, packageFile, tools, warnings, environments: summaryOf(packed) }
  }
  const [first, ...others] = repositoriesOf(packageFile)
  return [pack(first), ...others.map(pack)]
}

/** As packArtifacts, where all environments share the package's repository. */
export async function packCommit(options: Omit<CommitOptions, 'environments'>): Promise<PackedCommit> {
  const [packed, ...others] = await packArtifacts(options)
  assert.equal(others.length, 0, 'a package of one repository')
  return packed
}

/** Where an environment's artifact belongs: its own repository, or the package's. */
export function repositoryOf({ repository, repositories }: PackageFile, environment: string): string {
  return Object.hasOwn(repositories, environment) ? (repositories[environment] ?? repository) : repository
}

function repositoriesOf(packageFile: PackageFile): readonly [string, ...string[]] {
  const all = new Set(Object.keys(packageFile.environments).map((name) => repositoryOf(packageFile, name)))
  const own = all.delete(packageFile.repository)
  const [first, ...others] = [...all].sort(compareBytes)
  // There is at least one environment, so nothing but its own is left where there is no other.
  return own || first === undefined ? [packageFile.repository, ...[...all].sort(compareBytes)] : [first, ...others]
}

function summaryOf({ release }: Packed): PackedCommit['environments'] {
  const entries = Object.entries(release.environments).map(([name, { treeDigest, objects, images }]) => {
    const summary: EnvironmentSummary = { treeDigest, objects: objects.length, images }
    return [name, summary] as const
  })
  return Object.fromEntries(entries)
}

async function renderLocked(options: CommitOptions): Promise<RenderedCommit> {
  const result = await renderTwice(options)
  return { ...result, rendered: lockImages(result.rendered, result.lock) }
}

async function renderTwice(options: CommitOptions): Promise<RenderedCommit> {
  const opened = await openCommit(options)
  const packageFile = only(opened.packageFile, options.environments)
  return withTempFolder(options.tempDir, async (folder) => {
    const emptyDir = join(folder, 'empty')
    await mkdir(emptyDir)
    const tools = await examineTools(packageFile, await findTools(packageFile, options.env, emptyDir))
    const render = () =>
      withCheckout(opened.commit, { parentDir: folder, env: options.env }, (checkout: Checkout) =>
        renderOnce(checkout, packageFile, tools),
      )
    const { onStep = () => {} } = options
    onStep('rendering')
    const rendered = await render()
    // What has faults is not going anywhere; a person waits for them.
    if (rendered.faults.length === 0) {
      onStep('rendering again, to compare')
      assertSame(rendered, await render())
    }
    return { ...opened, packageFile, rendered }
  })
}

function only(packageFile: PackageFile, names: readonly string[] | undefined): PackageFile {
  if (names === undefined) return packageFile
  const missing = names.find((name) => !Object.hasOwn(packageFile.environments, name))
  if (missing !== undefined)
    throw new WaybillError('ENVIRONMENT_MISSING', `${PACKAGE_FILE} declares no environment "${missing}"`)
  const kept = Object.entries(packageFile.environments).filter(([name]) => names.includes(name))
  return { ...packageFile, environments: Object.fromEntries(kept) }
}

async function withTempFolder<T>(tempDir: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tempDir, 'waybill-')).catch((cause: unknown) => {
    throw diskError(tempDir, cause)
  })
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
