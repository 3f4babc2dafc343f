import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { WaybillError } from '../contract/errors.ts'
import { pathFrom } from './flags.ts'

/** A file named on the command line. @throws WaybillError FILE_UNREADABLE, saying why but never what it holds */
export async function readText(cwd: string, path: string): Promise<string> {
  try {
    return await readFile(pathFrom(cwd, path), 'utf8')
  } catch (cause) {
    throw new WaybillError('FILE_UNREADABLE', `${path}: ${reason(cause)}`, { cause })
  }
}

/** A folder of this process's own below `parent`, removed at the end. @throws WaybillError DISK_FULL, DISK_FAILED */
export function makeTempFolder(parent: string, atEnd: (task: () => void) => void): string {
  try {
    const folder = mkdtempSync(join(parent, 'waybill-'))
    atEnd(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  } catch (cause) {
    throw diskError(parent, cause)
  }
}

function diskError(path: string, cause: unknown): WaybillError {
  const full = codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT'
  return new WaybillError(full ? 'DISK_FULL' : 'DISK_FAILED', `${path}: ${reason(cause)}`, { cause })
}

/** True for the folder of an OCI image layout (image-spec 1.1, image-layout.md). */
export async function isLayout(folder: string): Promise<boolean> {
  try {
    return (await stat(join(folder, 'oci-layout'))).isFile()
  } catch {
    return false
  }
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}

function reason(cause: unknown): string {
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'it may not be read or written',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    ENOSPC: 'the disk is full',
    EROFS: 'the disk is read-only',
  }
  const code = codeOf(cause)
  return (typeof code === 'string' ? known[code] : undefined) ?? String(code ?? 'it cannot be read or written')
}
