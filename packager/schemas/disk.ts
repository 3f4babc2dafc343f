import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { diskError } from '../disk.ts'
import { compareMinors, type Kubernetes, parseBuiltins, parseLifecycles } from './builtins.ts'

const DATA = join(import.meta.dirname, 'data')

/** Reads the data for the version that waybill.yaml pins ('' for none), and no other. @throws WaybillError DISK_FAILED */
export async function readKubernetes(version: string): Promise<Kubernetes> {
  const known = (await inData('', (path) => readdir(path)))
    .flatMap((name) => /^(\d+\.\d+)\.jsonl$/.exec(name)?.[1] ?? [])
    .sort(compareMinors)
  const pinned = /^\d+\.\d+/.exec(version)?.[0]
  const minor = known.find((one) => one === pinned) ?? known.at(-1)
  const lifecycles = parseLifecycles(await inData('lifecycle.jsonl', readText))
  const builtins = parseBuiltins(await inData(`${minor}.jsonl`, readText), lifecycles)
  return { ...(pinned === undefined ? {} : { pinned }), known, builtins, lifecycles }
}

const readText = (path: string) => readFile(path, 'utf8')

async function inData<T>(name: string, read: (path: string) => Promise<T>): Promise<T> {
  const path = join(DATA, name)
  try {
    return await read(path)
  } catch (cause) {
    throw diskError(path, cause)
  }
}
