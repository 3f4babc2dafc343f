import { mkdtempSync, rmSync } from 'node:fs'
import { link, open, readFile, stat, unlink } from 'node:fs/promises'
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

/** The lines of a text file; undefined: there is none. @throws WaybillError FILE_UNREADABLE */
export async function readLines(cwd: string, path: string): Promise<readonly string[] | undefined> {
  try {
    await using file = await open(pathFrom(cwd, path))
    const lines: string[] = []
    for await (const line of file.readLines()) lines.push(line)
    return lines
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new WaybillError('FILE_UNREADABLE', `${path}: ${reason(cause)}`, { cause })
  }
}

/** Makes sure that a file can be made there. @throws WaybillError DISK_FULL, DISK_FAILED */
export async function tryNewFile(cwd: string, path: string): Promise<void> {
  const part = `${pathFrom(cwd, path)}.part`
  try {
    await (await open(part, 'w', 0o600)).close()
    await unlink(part)
  } catch (cause) {
    throw diskError(path, cause)
  }
}

/** Writes a new file, for its owner alone, whole or not at all. @throws WaybillError FILE_EXISTS, DISK_FULL, DISK_FAILED */
export async function writeNewLines(cwd: string, path: string, lines: readonly string[]): Promise<void> {
  const whole = pathFrom(cwd, path)
  const part = `${whole}.part`
  try {
    await using file = await open(part, 'w', 0o600)
    for (const line of lines) await file.write(`${line}\n`)
    await file.sync()
    await link(part, whole)
    await unlink(part)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') throw new WaybillError('FILE_EXISTS', `${path} is there already`, { cause })
    throw diskError(path, cause)
  }
}

/** True for a folder. */
export async function isFolder(cwd: string, path: string): Promise<boolean> {
  try {
    return (await stat(pathFrom(cwd, path))).isDirectory()
  } catch {
    return false
  }
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
