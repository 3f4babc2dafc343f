import { WaybillError } from '../../contract/errors.ts'
import { look } from '../disk.ts'
import { gitEnvironment, withoutCredentials } from '../git.ts'
import { type Env, type ProcessResult, runProcess } from '../process.ts'

/**
 * What stands in a person's folder, committed or not. Packing never looks here; what writes a file for a person to commit
 * (`lock`, `init`) does.
 */
export type WorkingTree = {
  /** The topmost folder, absolute. */
  readonly root: string
  /** The URL of the remote `origin`, without credentials. */
  readonly origin?: string
}

/** @throws WaybillError GIT_REPOSITORY where there is none around the folder, or it is bare; TOOL_MISSING */
export async function findWorkingTree(folder: string, env: Env): Promise<WorkingTree> {
  if ((await look(folder))?.kind !== 'folder')
    throw new WaybillError('GIT_REPOSITORY', `${folder}: there is no such folder`)
  const top = await git(folder, ['rev-parse', '--show-toplevel'], env)
  if (top.code !== 0) throw noWorkingTree(folder, top.stderr)
  const origin = await git(folder, ['config', '--get', 'remote.origin.url'], env)
  const url = text(origin).trim()
  return { root: text(top).replace(/\n$/, ''), ...(url === '' ? {} : { origin: withoutCredentials(url) }) }
}

/** Tracked files, and those that nobody told Git to ignore, relative to the root, sorted. @throws WaybillError GIT_FAILED */
export async function listWorkingTree({ root }: WorkingTree, env: Env): Promise<readonly string[]> {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  return (await names(root, args, env)).toSorted()
}

/** Files that differ from a commit, new ones included, relative to the root. @throws WaybillError GIT_FAILED */
export async function listUncommitted({ root }: WorkingTree, sha: string, env: Env): Promise<readonly string[]> {
  const changed = await names(root, ['diff', '-z', '--name-only', '--no-renames', '--no-ext-diff', sha, '--'], env)
  const added = await names(root, ['ls-files', '-z', '--others', '--exclude-standard'], env)
  return [...new Set([...changed, ...added])].toSorted()
}

/** True for a path, relative to the root, that Git was told to ignore. */
export async function isIgnored({ root }: WorkingTree, path: string, env: Env): Promise<boolean> {
  return (await git(root, ['check-ignore', '-q', '--no-index', '--', path], env)).code === 0
}

async function names(root: string, args: readonly string[], env: Env): Promise<readonly string[]> {
  const result = await git(root, args, env)
  if (result.code !== 0) throw new WaybillError('GIT_FAILED', `git ${args[0]}: ${result.stderr.trim().slice(0, 500)}`)
  return text(result).split('\0').filter(Boolean)
}

function git(cwd: string, args: readonly string[], env: Env): Promise<ProcessResult> {
  return runProcess({ command: 'git', args, cwd, env: gitEnvironment(env) })
}

function text({ stdout }: ProcessResult): string {
  return Buffer.from(stdout).toString('utf8')
}

function noWorkingTree(folder: string, stderr: string): WaybillError {
  if (/dubious ownership/.test(stderr))
    return new WaybillError('GIT_REPOSITORY', `${folder}: it belongs to another user, so Git does not read it`, {
      hint: `If you trust it: git config --global --add safe.directory ${folder}`,
    })
  if (/must be run in a work tree/.test(stderr))
    return new WaybillError('GIT_REPOSITORY', `${folder}: a bare repository, with no folder to write into`, {
      hint: 'Run it in a clone.',
    })
  return new WaybillError('GIT_REPOSITORY', `${folder}: not a Git repository`)
}
