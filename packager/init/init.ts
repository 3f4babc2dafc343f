import { join, relative, sep } from 'node:path'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { parseRepository } from '../../contract/reference.ts'
import { look, readBounded } from '../disk.ts'
import { PACKAGE_FILE, parsePackageFile, type ToolName } from '../package-file.ts'
import type { Env } from '../process.ts'
import { helmVersion } from '../render/helm/render-helm.ts'
import { findRenderer } from '../render/isolated.ts'
import { kustomizeVersion } from '../render/render-kustomize.ts'
import { findWorkingTree, isIgnored, listWorkingTree, type WorkingTree } from '../working-tree/git.ts'
import { type NewFile, realPathOf, refuseExisting, writeNew } from './disk.ts'
import { labelOf, lastOf } from './environment-names.ts'
import { findSources } from './find-sources.ts'
import { makeKeyPair } from './key-pair.ts'
import { repositoryNear, sourceOf } from './origin.ts'
import { type Files, ONLY_ENVIRONMENT, type Source } from './source.ts'
import { type PackageDraft, writePackageFile } from './write-package-file.ts'
import { writeTrustPolicy } from './write-trust-policy.ts'

export type InitOptions = {
  /** A folder in a Git repository. */
  readonly folder: string
  readonly env: Env
  /** An empty folder, for tools that are asked for their version. */
  readonly emptyDir: string
  readonly repository: string | undefined
  /** Default: the last part of `repository`. */
  readonly name: string | undefined
  /** Default: where `origin` is at home. */
  readonly source: string | undefined
  readonly kubernetesVersion: string
  /** Folders and files, relative to the root of the repository: what to look at. Default: all. */
  readonly from: readonly string[]
  /** Absolute: make a key pair here, and `.pub` beside it. `null`: in `keyFolder`, named after the package. */
  readonly key: string | null | undefined
  readonly keyFolder: string
  /** Absolute: write a TrustPolicy that trusts the new key. */
  readonly trustPolicy: string | undefined
  /** Write nothing. */
  readonly dryRun: boolean
}

export type InitFile = {
  readonly path: string
  readonly holds: 'package' | 'private-key' | 'public-key' | 'trust-policy'
  /** Absent for a private key. */
  readonly text?: string
}

export type Initialised = {
  readonly written: boolean
  readonly files: readonly InitFile[]
  /** What the package is made of: a folder, and how it is rendered; absent where nothing was found. */
  readonly found?: Pick<Source, 'kind' | 'path'>
  readonly environments: readonly string[]
}

/** Of the tools, where a machine has none: the newest that Waybill is tested with. */
const TOOL_VERSIONS = { kustomize: '5.8.2', helm: '4.3.1' }
const VERSION_OF = { kustomize: kustomizeVersion, helm: helmVersion }

/**
 * Writes a first waybill.yaml at the root of the working tree out of what stands there, committed or not, and, where asked, a key pair and
 * a TrustPolicy: all of it or nothing, and never over anything.
 * @throws WaybillError USAGE, SOURCES_AMBIGUOUS, FILE_EXISTS, KEY_EXPOSED, REFERENCE_INVALID, GIT_*, DISK_*
 */
export async function init(options: InitOptions): Promise<Initialised> {
  const tree = await findWorkingTree(options.folder, options.env)
  await refuseExisting([join(tree.root, PACKAGE_FILE)])
  const { name, repository, source } = identityOf(options, tree)
  const sources = findSources(await readFiles(tree, options.env), options.from, name)
  const chosen = choose(sources, options.from)
  const environments = chosen?.environments ?? { [ONLY_ENVIRONMENT]: { kind: 'manifests', paths: ['deploy'] } }
  const tools = await toolsFor(
    Object.values(environments).map(({ kind }) => kind),
    options,
  )
  const { kubernetesVersion } = options
  const found = chosen !== undefined
  const text = writePackageFile({ name, repository, source, kubernetesVersion, tools, environments, found })
  assertReadable(text)
  const files = [
    { path: join(tree.root, PACKAGE_FILE), holds: 'package', text, mode: 0o644 } as const,
    ...(await keyFiles(options, tree, { name, repository, source })),
  ]
  if (options.dryRun) await refuseExisting(files.map(({ path }) => path))
  else await writeNew(files)
  return {
    written: !options.dryRun,
    files: files.map(({ path, holds, text }) => (holds === 'private-key' ? { path, holds } : { path, holds, text })),
    environments: Object.keys(environments),
    ...(chosen === undefined ? {} : { found: { kind: chosen.kind, path: chosen.path } }),
  }
}

type Identity = Pick<PackageDraft, 'name' | 'repository' | 'source'>

/** Nobody is asked: what is missing is said, all at once, with a proposal where there is one. */
function identityOf(options: InitOptions, { origin }: WorkingTree): Identity {
  const source = options.source ?? sourceOf(origin)
  const { repository } = options
  if (repository === undefined || source === undefined) {
    const near = repositoryNear(source) ?? 'registry.example.com/acme/shop'
    const missing = [
      ...(repository === undefined ? [['--repository', `--repository ${near}`]] : []),
      ...(source === undefined ? [['--source', '--source https://git.example.com/acme/shop']] : []),
    ]
    const why = source === undefined ? '; there is no remote "origin" with an address that others can reach' : ''
    throw new WaybillError('USAGE', `${missing.map(([flag]) => flag).join(' and ')} needed${why}`, {
      hint: `For instance: waybill init ${missing.map(([, example]) => example).join(' ')}`,
    })
  }
  const { path } = parseRepository(repository)
  return { repository, source, name: options.name ?? labelOf(lastOf(path)) }
}

const RELEVANT = /\.(?:ya?ml|json)$|(?:^|\/)Kustomization$/

/** Larger files are no manifests that a person wrote. */
const READ_BYTES_MAX = 1024 * 1024

async function readFiles(tree: WorkingTree, env: Env): Promise<Files> {
  const files = new Map<string, Buffer>()
  for (const path of await listWorkingTree(tree, env)) {
    if (!RELEVANT.test(path) || path.includes('\n')) continue
    const found = await look(join(tree.root, path))
    if (found?.kind !== 'file' || !found.real.startsWith(tree.root + sep)) continue
    const bytes = await readBounded(found.real, READ_BYTES_MAX).catch((error: unknown) => {
      if (hasCode(error, 'LIMIT_EXCEEDED')) return undefined
      throw error
    })
    if (bytes !== undefined) files.set(path, bytes)
  }
  return files
}

/** Several are never chosen from, unless they were named and can stand side by side in one environment. */
function choose(sources: readonly Source[], from: readonly string[]): Source | undefined {
  const [first, ...others] = sources
  if (first === undefined && from.length > 0)
    throw new WaybillError('USAGE', `${from.join(', ')}: no kustomization, chart or manifest is there`, {
      hint: '--from takes folders and files, relative to the root of the repository.',
    })
  if (first === undefined || others.length === 0) return first
  const paths = sources.flatMap(({ environments }) => {
    const rendering = environments[ONLY_ENVIRONMENT]
    return Object.keys(environments).length === 1 && rendering?.kind === 'manifests' ? [rendering.paths] : []
  })
  if (from.length > 1 && paths.length === sources.length)
    return {
      kind: 'manifests',
      path: sources.map(({ path }) => path).join(', '),
      environments: { [ONLY_ENVIRONMENT]: { kind: 'manifests', paths: paths.flat() } },
    }
  const lines = sources.map(
    ({ kind, path, environments }) => `--from ${path} (${kind}: ${Object.keys(environments).join(', ')})`,
  )
  throw new WaybillError('SOURCES_AMBIGUOUS', `${sources.length} things could be delivered from here`, {
    hint: `One package is made of one of them:\n      ${lines.join('\n      ')}`,
  })
}

async function toolsFor(kinds: readonly string[], { env, emptyDir }: InitOptions): Promise<PackageDraft['tools']> {
  const tools: Partial<Record<ToolName, { readonly version: string; readonly found: boolean }>> = {}
  for (const tool of ['kustomize', 'helm'] as const) {
    if (!kinds.includes(tool)) continue
    const version = await versionOf(tool, env, emptyDir)
    tools[tool] = { version: version ?? TOOL_VERSIONS[tool], found: version !== undefined }
  }
  return tools
}

async function versionOf(tool: ToolName, env: Env, emptyDir: string): Promise<string | undefined> {
  try {
    const version = await VERSION_OF[tool](await findRenderer(tool, env, emptyDir))
    return /^\d+\.\d+\.\d+/.test(version) ? version : undefined
  } catch (error) {
    if (hasCode(error, 'TOOL_MISSING', 'TOOL_FAILED')) return undefined
    throw error
  }
}

/** What a flag said may be no name, no version or no address: the reader of waybill.yaml knows. */
function assertReadable(text: string): void {
  try {
    parsePackageFile(Buffer.from(text))
  } catch (error) {
    if (!hasCode(error, 'PACKAGE_FILE_INVALID')) throw error
    const reasons = error.faults.map(({ message }) => message).join('; ')
    throw new WaybillError('USAGE', `what the flags say gives no waybill.yaml: ${reasons}`, { cause: error })
  }
}

type DraftFile = NewFile & { readonly holds: InitFile['holds'] }

async function keyFiles(options: InitOptions, tree: WorkingTree, identity: Identity): Promise<readonly DraftFile[]> {
  if (options.key === undefined) {
    if (options.trustPolicy === undefined) return []
    throw new WaybillError('USAGE', '--trust-policy needs --key: it trusts the key that is made', {
      hint: 'For a key that you have: waybill init without it, and docs/guides/init.md for the policy.',
    })
  }
  const key = await realPathOf(options.key ?? join(options.keyFolder, `${identity.name}.key`))
  const inside = relative(tree.root, key)
  if (!inside.startsWith('..') && !(await isIgnored(tree, inside, options.env)))
    throw new WaybillError('KEY_EXPOSED', `${key}: in the repository, and Git does not ignore it`)
  const { privatePem, publicPem } = makeKeyPair()
  const policy = options.trustPolicy
  const policyText = writeTrustPolicy({ ...identity, publicPem })
  return [
    { path: key, holds: 'private-key', text: privatePem, mode: 0o600 },
    { path: `${key}.pub`, holds: 'public-key', text: publicPem, mode: 0o644 },
    ...(policy === undefined ? [] : [{ path: policy, holds: 'trust-policy', text: policyText, mode: 0o644 } as const]),
  ]
}
