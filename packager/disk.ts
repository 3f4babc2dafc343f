import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
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

/** A file's bytes, at most `bytesMax`. @throws WaybillError LIMIT_EXCEEDED, DISK_FAILED */
export async function readBounded(path: string, bytesMax: number): Promise<Buffer> {
  try {
    const { size } = await stat(path)
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

/**
 * Writes a file so that a reader sees the whole of it or the one before: into a temporary file beside it, flushed, then renamed.
 * Folders on the way are made. @throws WaybillError DISK_FULL, DISK_FAILED; the temporary file is gone then
 */
export async function writeAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(temporary, 'wx', 0o644)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw diskError(path, cause)
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
