import { lstat, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { diskError, look } from '../disk.ts'

export type NewFile = { readonly path: string; readonly text: string; readonly mode: number }

/** @throws WaybillError FILE_EXISTS naming every path where something is already, a link that leads nowhere included */
export async function refuseExisting(paths: readonly string[]): Promise<void> {
  const there: string[] = []
  for (const path of paths) if (await isThere(path)) there.push(path)
  if (there.length > 0)
    throw new WaybillError('FILE_EXISTS', `${there.join(' and ')}: there already; nothing was written`)
}

/**
 * Writes files that are not there yet, all or none; folders on the way are made, for their owner only where `mode` says so.
 * @throws WaybillError FILE_EXISTS, DISK_FULL, DISK_FAILED; what was written is gone then
 */
export async function writeNew(files: readonly NewFile[]): Promise<void> {
  await refuseExisting(files.map(({ path }) => path))
  const written: string[] = []
  for (const { path, text, mode } of files)
    try {
      await mkdir(dirname(path), { recursive: true, mode: mode === 0o600 ? 0o700 : 0o777 })
      const file = await open(path, 'wx', mode)
      written.push(path)
      await file.writeFile(text).finally(() => file.close())
    } catch (cause) {
      for (const one of written) await rm(one, { force: true })
      throw diskError(path, cause)
    }
}

/** A path without links in the folders that are there already. */
export async function realPathOf(path: string): Promise<string> {
  const found = await look(path)
  if (found !== undefined) return found.real
  const folder = dirname(path)
  return folder === path
    ? path
    : `${(await realPathOf(folder)).replace(/\/$/, '')}${path.slice(folder.replace(/\/$/, '').length)}`
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}
