import { statSync } from 'node:fs'
import { type SimpleGit, simpleGit } from 'simple-git'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { type Env, type ProcessResult, runProcess } from './process.ts'

/** One commit of a repository, as the repository's objects say it: nothing of the working tree. */
export type Commit = {
  /** The repository's folder, as it was named. */
  readonly repo: string
  /** 40 hex digits (SHA-1 repositories) or 64 (SHA-256). */
  readonly sha: string
  /** `sha1:<40 hex>` or `sha256:<64 hex>`. */
  readonly revision: string
  /** The committer's time, UTC, whole seconds: `2026-11-21T10:00:00Z`. */
  readonly committedAt: string
  /** Tags on this very commit, sorted bytewise. Not part of the artifact. */
  readonly tags: readonly string[]
  /** `refs/heads/main` or `refs/tags/v1.0.0`, where the revision named one. Not part of the artifact. */
  readonly ref?: string
  /** The URL of the remote `origin`, without credentials. Not part of the artifact. */
  readonly origin?: string
}

/** One entry of the commit's tree. `sizeBytes` is 0 for submodules. */
export type TreeEntry = {
  readonly path: string
  readonly type: 'file' | 'symlink' | 'submodule'
  readonly oid: string
  readonly sizeBytes: number
}

/** Variables that a user's Git may need to reach its objects (a partial clone fetches them late) or to trust the folder. */
const KEPT = [
  'PATH',
  'HOME',
  'XDG_CONFIG_HOME',
  'SSH_AUTH_SOCK',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
]

/** Whatever GIT_DIR, GIT_INDEX_FILE and their like say (a hook sets them) does not count: the folder does. */
export function gitEnvironment(parent: Env): Record<string, string> {
  const kept = KEPT.flatMap((name) => (parent[name] === undefined ? [] : [[name, parent[name]]]))
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
  }
}

/**
 * Resolves a revision (default HEAD) to a commit. Bare repositories, shallow clones and detached heads will do.
 * @throws WaybillError GIT_REPOSITORY, GIT_EMPTY, GIT_REVISION, GIT_FAILED, TOOL_MISSING (no Git)
 */
export async function resolveCommit(repo: string, rev: string | undefined, parent: Env): Promise<Commit> {
  const git = await openRepository(repo, parent)
  const sha = await resolveSha(git, repo, rev ?? 'HEAD')
  const [ref, origin, tags, content] = await Promise.all([
    tryRaw(git, ['rev-parse', '--symbolic-full-name', '--end-of-options', rev ?? 'HEAD']),
    tryRaw(git, ['config', '--get', 'remote.origin.url']),
    raw(git, ['tag', '--points-at', sha]),
    raw(git, ['cat-file', 'commit', sha]),
  ])
  const fullName = ref?.split('\n').at(-1)
  return {
    repo,
    sha,
    revision: `${sha.length === 40 ? 'sha1' : 'sha256'}:${sha}`,
    committedAt: committerTime(content),
    tags: tags.split('\n').filter(Boolean).sort(),
    ...(fullName?.startsWith('refs/') ? { ref: fullName } : {}),
    ...(origin ? { origin: withoutCredentials(origin) } : {}),
  }
}

/**
 * The whole tree of a commit, in Git's order; names that are not UTF-8 keep replacement characters and can match no input.
 * @throws WaybillError GIT_FAILED, LIMIT_EXCEEDED
 */
export async function listTree(commit: Commit, parent: Env): Promise<readonly TreeEntry[]> {
  const { stdout } = await plumbing(commit, ['ls-tree', '-r', '-l', '-z', '--full-tree', commit.sha], parent)
  const entries = Buffer.from(stdout).toString('utf8').split('\0').filter(Boolean).map(parseTreeEntry)
  if (entries.length > LIMITS.treeEntriesMax)
    throw new WaybillError(
      'LIMIT_EXCEEDED',
      `the commit has ${entries.length} files; ${LIMITS.treeEntriesMax} are allowed`,
    )
  refuseNested(entries)
  return entries
}

/** No honest tree has both `a` and `a/b` as entries; a checkout of one that has would write through the link `a`. */
function refuseNested(entries: readonly TreeEntry[]): void {
  const links = new Set(entries.filter(({ type }) => type !== 'file').map(({ path }) => path))
  for (const { path } of links.size === 0 ? [] : entries)
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
      if (links.has(path.slice(0, slash)))
        throw new WaybillError('GIT_FAILED', `git ls-tree: ${JSON.stringify(path.slice(0, 200))} stands inside a link`)
}

/**
 * The exact bytes of blobs, as they were committed: no checkout, so no end-of-line conversion, filter, export-subst or
 * export-ignore has a hand in them. Yields in the order asked, in batches of at most about 64 MiB.
 * @throws WaybillError GIT_FAILED, LIMIT_EXCEEDED
 */
export async function* readBlobs<T extends Pick<TreeEntry, 'oid' | 'sizeBytes'>>(
  commit: Commit,
  entries: readonly T[],
  parent: Env,
): AsyncGenerator<{ readonly entry: T; readonly bytes: Buffer }> {
  for (const batch of batches(entries)) {
    const stdin = batch.map(({ oid }) => `${oid}\n`).join('')
    const { stdout } = await plumbing(commit, ['cat-file', '--batch'], parent, stdin)
    const output = Buffer.from(stdout.buffer, stdout.byteOffset, stdout.length)
    let at = 0
    for (const entry of batch) {
      const lineEnd = output.indexOf(0x0a, at)
      const [oid, type, size] = output.subarray(at, lineEnd).toString('latin1').split(' ')
      if (lineEnd < 0 || oid !== entry.oid || type !== 'blob')
        throw new WaybillError('GIT_FAILED', `git cat-file: object ${entry.oid} cannot be read`)
      const start = lineEnd + 1
      at = start + Number(size) + 1
      yield { entry, bytes: output.subarray(start, at - 1) }
    }
  }
}

const BATCH_BYTES = 64 * 1024 * 1024

function batches<T extends { readonly sizeBytes: number }>(entries: readonly T[]): readonly (readonly T[])[] {
  const all: T[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const entry of entries) {
    bytes += entry.sizeBytes
    if (bytes > BATCH_BYTES) {
      all.push([])
      bytes = entry.sizeBytes
    }
    all.at(-1)?.push(entry)
  }
  return all
}

async function openRepository(repo: string, parent: Env): Promise<SimpleGit> {
  if (statSync(repo, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new WaybillError('GIT_REPOSITORY', `${repo}: there is no such folder`)
  const env = gitEnvironment(parent)
  const git = simpleGit({
    baseDir: repo,
    trimmed: true,
    allowEnvironment: Object.keys(env),
    // Where the user's own settings stand is the user's to say; none of them changes what the objects say.
    unsafe: { allowUnsafeConfigPaths: true },
  }).env(env)
  try {
    await git.raw(['rev-parse', '--git-dir'])
    return git
  } catch (cause) {
    const message = words(cause)
    if (/\bENOENT\b/.test(message)) throw new WaybillError('TOOL_MISSING', 'git: there is no such program', { cause })
    if (/dubious ownership/.test(message))
      throw new WaybillError('GIT_REPOSITORY', `${repo}: it belongs to another user, so Git does not read it`, {
        cause,
        hint: `If you trust it: git config --global --add safe.directory ${repo}`,
      })
    if (/not a git repository/i.test(message))
      throw new WaybillError('GIT_REPOSITORY', `${repo}: not a Git repository`, { cause })
    throw new WaybillError('GIT_FAILED', `git rev-parse: ${message}`, { cause })
  }
}

async function resolveSha(git: SimpleGit, repo: string, rev: string): Promise<string> {
  const sha = rev.startsWith('-')
    ? undefined
    : await tryRaw(git, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${rev}^{commit}`])
  if (sha !== undefined && /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(sha)) return sha
  if ((await tryRaw(git, ['rev-list', '--all', '--max-count=1'])) === '' && rev === 'HEAD')
    throw new WaybillError('GIT_EMPTY', `${repo}: it has no commit yet`)
  throw new WaybillError('GIT_REVISION', `${repo}: no commit is named "${rev.slice(0, 200)}" there`)
}

async function raw(git: SimpleGit, args: string[]): Promise<string> {
  try {
    return await git.raw(args)
  } catch (cause) {
    throw new WaybillError('GIT_FAILED', `git ${args[0]}: ${words(cause)}`, { cause })
  }
}

async function tryRaw(git: SimpleGit, args: string[]): Promise<string | undefined> {
  try {
    return await git.raw(args)
  } catch {
    return undefined
  }
}

async function plumbing(commit: Commit, args: readonly string[], parent: Env, stdin = ''): Promise<ProcessResult> {
  const env = gitEnvironment(parent)
  const result = await runProcess({ command: 'git', args, cwd: commit.repo, env, stdin })
  if (result.code !== 0) throw new WaybillError('GIT_FAILED', `git ${args[0]}: ${result.stderr.trim().slice(0, 500)}`)
  return result
}

const TYPES: Readonly<Record<string, TreeEntry['type']>> = { '120000': 'symlink', '160000': 'submodule' }

function parseTreeEntry(line: string): TreeEntry {
  const tab = line.indexOf('\t')
  const [mode, , oid, size] = line.slice(0, tab).split(/ +/)
  const path = line.slice(tab + 1)
  if (mode === undefined || oid === undefined || !isPlainPath(path))
    throw new WaybillError(
      'GIT_FAILED',
      `git ls-tree: an entry that no folder can hold: ${JSON.stringify(path.slice(0, 200))}`,
    )
  return { path, type: TYPES[mode] ?? 'file', oid, sizeBytes: Number(size) || 0 }
}

/** Git refuses such names itself when it checks out; a tree made by hand can hold them. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.toLowerCase() !== '.git')
}

function committerTime(commit: string): string {
  const seconds = Number(/^committer .* (\d+) [+-]\d{4}$/m.exec(commit)?.[1])
  // The year 9999, after which the time has no form of 20 characters.
  if (!(seconds <= 253_402_300_799)) throw new WaybillError('GIT_FAILED', 'git cat-file: the commit has no usable time')
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

/** `https://user:token@host/x` → `https://host/x`. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, (whole, scheme: string) =>
    scheme.toLowerCase().startsWith('http') ? scheme : whole.replace(/:[^/@:]*@$/, '@'),
  )
}

function words(cause: unknown): string {
  return cause instanceof Error ? cause.message.trim().slice(0, 500) : 'unknown error'
}
