import { mkdir, mkdtemp, readlink, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { diskError } from './disk.ts'
import { type Commit, listTree, readBlobs, type TreeEntry } from './git.ts'
import type { Env } from './process.ts'

/** A folder with the files of one commit, byte for byte as they were committed. */
export type Checkout = {
  /** Absolute, without symlinks in it. */
  readonly root: string
  /** Paths that the commit has and the folder has not, and why: only a fault where they are an input. */
  readonly unusable: ReadonlyMap<string, string>
}

/**
 * Writes a commit's files into a fresh folder under `parentDir`, calls `use`, and removes the folder. Symlinks that stay inside
 * are made; those that lead out or nowhere, and submodules, are left out and listed.
 * @throws WaybillError GIT_FAILED, LIMIT_EXCEEDED, DISK_FULL, DISK_FAILED, and what `use` throws
 */
export async function withCheckout<T>(
  commit: Commit,
  options: { readonly parentDir: string; readonly env: Env },
  use: (checkout: Checkout) => Promise<T>,
): Promise<T> {
  const root = await makeFolder(options.parentDir)
  try {
    return await use({ root, unusable: await materialise(commit, root, options.env) })
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function makeFolder(parentDir: string): Promise<string> {
  try {
    return await realpath(await mkdtemp(join(parentDir, 'waybill-')))
  } catch (cause) {
    throw diskError(parentDir, cause)
  }
}

async function materialise(commit: Commit, root: string, env: Env): Promise<ReadonlyMap<string, string>> {
  const entries = await listTree(commit, env)
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (bytes > LIMITS.treeBytesMax)
    throw new WaybillError('LIMIT_EXCEEDED', `the commit has ${bytes} bytes; ${LIMITS.treeBytesMax} are allowed`)
  const submodules = entries.filter(({ type }) => type === 'submodule')
  const unusable = new Map(submodules.map(({ path }) => [path, 'it is a submodule, which is another repository']))
  try {
    await writeFiles(commit, root, entries, env)
    for (const [path, why] of await writeLinks(commit, root, entries, env)) unusable.set(path, why)
  } catch (cause) {
    throw cause instanceof WaybillError ? cause : diskError(root, cause)
  }
  return unusable
}

async function writeFiles(commit: Commit, root: string, entries: readonly TreeEntry[], env: Env): Promise<void> {
  const files = entries.filter(({ type }) => type === 'file')
  for (const folder of new Set(files.map(({ path }) => dirname(path))))
    await mkdir(join(root, folder), { recursive: true })
  for await (const { entry, bytes } of readBlobs(commit, files, env))
    await writeFile(join(root, entry.path), bytes, { flag: 'wx' })
}

/** Makes the links after the files, so that nothing is written through one, and takes those away that lead out. */
async function writeLinks(
  commit: Commit,
  root: string,
  entries: readonly TreeEntry[],
  env: Env,
): Promise<ReadonlyMap<string, string>> {
  const links = entries.filter(({ type }) => type === 'symlink')
  for await (const { entry, bytes } of readBlobs(commit, links, env)) {
    const path = join(root, entry.path)
    await mkdir(dirname(path), { recursive: true })
    // An absolute target is never part of the commit; a placeholder that leads nowhere stands for it.
    await symlink(bytes[0] === 0x2f || bytes.length === 0 ? '/nonexistent' : bytes.toString('utf8'), path)
  }
  const unusable = new Map<string, string>()
  for (const { path } of links) {
    const why = await linkFault(root, join(root, path))
    if (why !== undefined) unusable.set(path, why)
  }
  for (const path of unusable.keys()) await rm(join(root, path))
  return unusable
}

async function linkFault(root: string, path: string): Promise<string | undefined> {
  try {
    const target = await realpath(path)
    if (target === root || target.startsWith(root + sep)) return undefined
    return 'it is a symbolic link that leads out of the repository'
  } catch {
    const outside = (await readlink(path)).startsWith('/')
    return `it is a symbolic link that leads ${outside ? 'out of the repository' : 'nowhere'}`
  }
}
