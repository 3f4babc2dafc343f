import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { compareBytes } from '../contract/artifact/artifact.ts'
import { WaybillError } from '../contract/errors.ts'

/** Turns what the file system says into DISK_FULL or DISK_FAILED, naming the path. */
export function diskError(path: string, cause: unknown): WaybillError {
  const code = codeOf(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new WaybillError('DISK_FULL', `${path}: no space is left on the disk`, { cause })
  return new WaybillError('DISK_FAILED', `${path}: ${code ?? 'unknown error'}`, { cause })
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** What stands at a path, links followed; `real` is the path without links. undefined when there is nothing. */
export type Found = { readonly kind: 'file' | 'folder'; readonly real: string }

/** @throws WaybillError DISK_FAILED */
export async function look(path: string): Promise<Found | undefined> {
  try {
    const found = await stat(path)
    return { kind: found.isDirectory() ? 'folder' : 'file', real: await realpath(path) }
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(codeOf(cause) ?? '')) return undefined
    throw diskError(path, cause)
  }
}

/** A regular file's bytes, at most `bytesMax`. @throws WaybillError FILE_UNREADABLE, LIMIT_EXCEEDED, DISK_FAILED */
export async function readBounded(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const found = await stat(path)
    // A pipe or a device may have no end, and says that it has no bytes.
    if (!found.isFile()) throw new WaybillError('FILE_UNREADABLE', `${path}: not a regular file`)
    const { size } = found
    if (size > bytesMax) throw new WaybillError('LIMIT_EXCEEDED', `${path}: ${size} bytes; ${bytesMax} are allowed`)
    return await readFile(path)
  } catch (cause) {
    throw cause instanceof WaybillError ? cause : diskError(path, cause)
  }
}

/** The files under a folder, relative to it, sorted bytewise. Links to files count, links to folders are not followed. */
export async function listFiles(folder: string): Promise<readonly string[]> {
  try {
    const files: string[] = []
    await collect(folder, '', files)
    return files.sort(compareBytes)
  } catch (cause) {
    throw diskError(folder, cause)
  }
}

async function collect(folder: string, inside: string, files: string[]): Promise<void> {
  for (const entry of await readdir(join(folder, inside), { withFileTypes: true })) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`
    if (entry.isDirectory()) await collect(folder, path, files)
    else files.push(path)
  }
}

export type FileToWrite = { readonly path: string; readonly bytes: Uint8Array }

/**
 * Writes all files or none, and each so that a reader sees the whole of it or the one before: into temporary files beside
 * them, flushed, then renamed in the order given. Folders on the way are made.
 * @throws WaybillError DISK_FULL, DISK_FAILED; the temporary files, and folders that were made for them, are gone then
 */
export async function writeAtomic(files: readonly FileToWrite[]): Promise<void> {
  const folders: string[] = []
  const waiting = files.map((file) => ({ ...file, temporary: `${file.path}.${randomBytes(6).toString('hex')}.tmp` }))
  let at = ''
  try {
    for (const { path, bytes, temporary } of waiting) {
      at = path
      await makeFolder(dirname(path), folders)
      await writeFlushed(temporary, bytes)
    }
    for (const { path, temporary } of waiting) {
      at = path
      await rename(temporary, path)
    }
  } catch (cause) {
    for (const { temporary } of waiting) await rm(temporary, { force: true }).catch(() => {})
    // Innermost first; one that is not empty is somebody else's too.
    for (const folder of folders.reverse()) await rmdir(folder).catch(() => {})
    throw cause instanceof WaybillError ? cause : diskError(at, cause)
  }
}

/** Makes a folder and those around it, and says in `made` which were not there, outermost first. */
async function makeFolder(folder: string, made: string[]): Promise<void> {
  try {
    if ((await look(folder)) !== undefined) return
    if (dirname(folder) !== folder) await makeFolder(dirname(folder), made)
    await mkdir(folder)
    made.push(folder)
  } catch (cause) {
    // Somebody else was quicker.
    if (codeOf(cause) !== 'EEXIST') throw cause
  }
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o644)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** True when there is a file of exactly this size at the path. */
export async function hasFileOfSize(path: string, sizeBytes: number): Promise<boolean> {
  try {
    const found = await lstat(path)
    return found.isFile() && found.size === sizeBytes
  } catch {
    return false
  }
}
