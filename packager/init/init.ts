import { join } from 'node:path'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { parseRepository } from '../../contract/reference.ts'
import { PACKAGE_FILE, parsePackageFile } from '../package-file.ts'
import type { Env } from '../process.ts'
import { findWorkingTree, type WorkingTree } from '../working-tree/git.ts'
import { chooseSource } from './choose-source.ts'
import { refuseExisting, writeNew } from './disk.ts'
import { labelOf, lastOf } from './environment-names.ts'
import { findSources } from './find-sources.ts'
import { draftKeyFiles } from './key-files.ts'
import { repositoryNear, sourceOf } from './origin.ts'
import { readFiles } from './read-files.ts'
import { ONLY_ENVIRONMENT, type Source } from './source.ts'
import { findToolVersions } from './tool-versions.ts'
import { type PackageDraft, writePackageFile } from './write-package-file.ts'

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
  const chosen = chooseSource(sources, options.from)
  const environments = chosen?.environments ?? { [ONLY_ENVIRONMENT]: { kind: 'manifests', paths: ['deploy'] } }
  const kinds = Object.values(environments).map(({ kind }) => kind)
  const tools = await findToolVersions(kinds, options.env, options.emptyDir)
  const { kubernetesVersion } = options
  const found = chosen !== undefined
  const text = writePackageFile({ name, repository, source, kubernetesVersion, tools, environments, found })
  assertReadable(text)
  const files = [
    { path: join(tree.root, PACKAGE_FILE), holds: 'package', text, mode: 0o644 } as const,
    ...(await draftKeyFiles(options, tree, { name, repository, source })),
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

export type Identity = Pick<PackageDraft, 'name' | 'repository' | 'source'>

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
