import { hasCode, WaybillError } from '../../contract/errors.ts'
import { gitEnvironment, resolveCommit } from '../../packager/git.ts'
import { type Env, runProcess } from '../../packager/process.ts'

/** Everything of the repository that the bytes of an image depend on. */
export const SOURCES = [
  'contract',
  'packager',
  'puller',
  'cli',
  'tools/image',
  'tools/dist.ts',
  'tsconfig.json',
  'tsconfig.dist.json',
  'package.json',
  'package-lock.json',
  'LICENSE',
] as const

export type ImageSource = {
  /** `sha1:<40 hex>`; only when what is built is what this commit holds. */
  readonly revision?: string
  /** The commit's time, or 1970 where there is none: UTC, whole seconds. */
  readonly committedAt: string
  readonly ref?: string
  /** Paths that are not as the commit has them. */
  readonly uncommitted: readonly string[]
}

/** What the folder's Git says of the sources. A folder without Git, such as an unpacked archive, has no revision. @throws WaybillError GIT_* */
export async function readSource(root: string, parent: Env): Promise<ImageSource> {
  try {
    const { revision, committedAt, ref } = await resolveCommit(root, undefined, parent)
    const uncommitted = await listChanges(root, parent)
    if (uncommitted.length > 0) return { committedAt, uncommitted }
    return { revision, committedAt, uncommitted, ...(ref === undefined ? {} : { ref }) }
  } catch (error) {
    if (!hasCode(error, 'GIT_REPOSITORY', 'GIT_EMPTY', 'TOOL_MISSING')) throw error
    return { committedAt: '1970-01-01T00:00:00Z', uncommitted: [] }
  }
}

/** Ignored files count: what compiles or copies the sources does not ask Git. */
async function listChanges(root: string, parent: Env): Promise<readonly string[]> {
  const args = ['status', '-z', '--porcelain', '--no-renames', '--untracked-files=all', '--ignored', '--', ...SOURCES]
  const { code, stdout, stderr } = await runProcess({ command: 'git', args, cwd: root, env: gitEnvironment(parent) })
  if (code !== 0) throw new WaybillError('GIT_FAILED', `git status: ${stderr.trim().slice(0, 500)}`)
  const lines = Buffer.from(stdout).toString('utf8').split('\0')
  return lines.filter(Boolean).map((line) => line.slice(3))
}

/** The hex digits of `sha1:<40 hex>`. */
export function commitOf(revision: string): string {
  return revision.slice(revision.indexOf(':') + 1)
}

/** The first five of some files, for a person. */
export function fewOf(files: readonly string[]): string {
  return `${files.slice(0, 5).join(', ')}${files.length > 5 ? ', …' : ''}`
}
