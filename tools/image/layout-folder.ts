import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { diskError } from '../../packager/disk.ts'

const layoutNames = ['blobs', 'index.json', 'oci-layout']

/**
 * Has `work` write an OCI layout into a folder beside `folder`, and puts it in its place when it is whole. Only a layout, or an empty
 * folder, is replaced. @throws WaybillError FILE_EXISTS, DISK_*; before the work begins where it can be known
 */
export async function replaceLayout<T>(folder: string, work: (fresh: string) => Promise<T>): Promise<T> {
  await requireReplaceable(folder)
  const fresh = await makeBeside(folder)
  const leave = () => rmSync(fresh, { recursive: true, force: true })
  process.once('exit', leave)
  try {
    const result = await work(fresh)
    await rm(folder, { recursive: true, force: true })
    await rename(fresh, folder)
    return result
  } catch (cause) {
    throw cause instanceof WaybillError ? cause : isFault(cause) ? diskError(folder, cause) : cause
  } finally {
    process.off('exit', leave)
    leave()
  }
}

async function requireReplaceable(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (isFault(cause) && cause.code === 'ENOENT') return []
    throw diskError(folder, cause)
  })
  const foreign = names.filter((name) => !layoutNames.includes(name))
  if (foreign.length > 0)
    throw new WaybillError(
      'FILE_EXISTS',
      `${folder}: holds ${foreign.slice(0, 3).join(', ')}, and is not an image layout`,
      {
        hint: 'Name another folder, one that is not there or holds an image.',
      },
    )
}

async function makeBeside(folder: string): Promise<string> {
  try {
    await mkdir(dirname(folder), { recursive: true })
    const fresh = join(dirname(folder), `.${basename(folder)}-${randomUUID()}`)
    await mkdir(fresh)
    return fresh
  } catch (cause) {
    throw diskError(folder, cause)
  }
}

function isFault(cause: unknown): cause is NodeJS.ErrnoException {
  return cause instanceof Error && 'code' in cause
}
