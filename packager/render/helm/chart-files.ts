import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Parser } from 'tar'
import { type Fault, WaybillError } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Checkout } from '../../checkout.ts'
import { listFiles, look, readBounded } from '../../disk.ts'
import { LFS_POINTER } from '../render-manifests.ts'

/** A chart's files by path inside it; those of charts that are packed into it stay packed. */
export type ChartFiles = ReadonlyMap<string, Buffer>

/** A chart as it stands in the commit: a folder, or an archive as `helm package` makes it. */
export type FoundChart = { readonly files: ChartFiles; readonly packed: boolean; readonly real: string }

/**
 * Reads a chart out of the commit. A path that the commit has not, a submodule, a link out of the repository and a Git LFS pointer
 * are faults: what stands there is not part of the commit. Links inside the repository are followed, as helm follows them; a checkout has
 * no others.
 * @throws WaybillError LIMIT_EXCEEDED for more than 20,000 files, or 512 MiB; DISK_FAILED
 */
export async function readChart(
  checkout: Checkout,
  environment: string,
  path: string,
): Promise<{ readonly chart?: FoundChart; readonly faults: readonly Fault[] }> {
  const fault = (code: Fault['code'], file: string, message: string): Fault => ({ code, message, file, environment })
  const unusable = [...checkout.unusable].filter(
    ([name]) => name.startsWith(path === '.' ? '' : `${path}/`) || `${path}/`.startsWith(`${name}/`),
  )
  if (unusable.length > 0) return { faults: unusable.map(([name, why]) => fault('INPUT_UNSUPPORTED', name, why)) }
  const found = await look(join(checkout.root, path))
  if (found === undefined) return { faults: [fault('INPUT_MISSING', path, 'the commit has no such chart')] }
  if (found.kind === 'file') {
    const bytes = await readBounded(found.real, LIMITS.manifestFileBytesMax)
    const files = isPointer(bytes) ? undefined : await unpack(bytes)
    if (files === undefined) return { faults: [fault('INPUT_UNSUPPORTED', path, NO_ARCHIVE)] }
    return { chart: { files, packed: true, real: found.real }, faults: [] }
  }
  const files = new Map<string, Buffer>()
  const faults: Fault[] = []
  let bytesLeft = LIMITS.layerUnpackedBytesMax
  for (const { name, real } of await filesUnder(found.real)) {
    if (real === undefined) {
      faults.push(fault('INPUT_UNSUPPORTED', `${path}/${name}`, 'a link to a folder that it stands in'))
      continue
    }
    const bytes = await readBounded(real, Math.min(LIMITS.manifestFileBytesMax, bytesLeft))
    bytesLeft -= bytes.length
    if (isPointer(bytes)) faults.push(fault('INPUT_UNSUPPORTED', `${path}/${name}`, POINTER))
    files.set(name, bytes)
  }
  return faults.length > 0 ? { faults } : { chart: { files, packed: false, real: found.real }, faults }
}

const NO_ARCHIVE = 'it is neither a folder nor a chart in an archive'
/** gzip and zstd. */
const COMPRESSED = [Buffer.from('1f8b', 'hex'), Buffer.from('28b52ffd', 'hex')]
const POINTER = 'a Git LFS pointer, whose content is not part of the commit'

function isPointer(bytes: Buffer): boolean {
  return bytes.subarray(0, LFS_POINTER.length).toString('latin1') === LFS_POINTER
}

/** `real` is undefined for a link that leads back to a folder around it. */
type FoundFile = { readonly name: string; readonly real: string | undefined }

const CHART_FILES_MAX = 20_000

/** Files of a folder, through links to folders too, which can name the same ones over and over: hence the bound. */
async function filesUnder(root: string): Promise<readonly FoundFile[]> {
  const files: FoundFile[] = []
  let seen = 0
  const collect = async (folder: string, inside: string, around: readonly string[]): Promise<void> => {
    for (const name of await listFiles(folder)) {
      if (++seen > CHART_FILES_MAX)
        throw new WaybillError('LIMIT_EXCEEDED', `a chart has more than ${CHART_FILES_MAX} files`)
      const found = await look(join(folder, name))
      const at = `${inside}${name}`
      if (found?.kind === 'file') files.push({ name: at, real: found.real })
      else if (found !== undefined && [folder, ...around].some((one) => `${one}/`.startsWith(`${found.real}/`)))
        files.push({ name: at, real: undefined })
      else if (found !== undefined) await collect(found.real, `${at}/`, [...around, folder])
    }
  }
  await collect(root, '', [])
  return files
}

/** The files of a `.tgz`, without the folder that they all stand in; undefined where it is none, or unpacks to more than a layer may. */
export async function unpack(bytes: Uint8Array): Promise<ChartFiles | undefined> {
  const files = new Map<string, Buffer>()
  try {
    const tar = gunzipSync(bytes, { maxOutputLength: LIMITS.layerUnpackedBytesMax })
    // The parser would unpack these again, without a bound.
    if (COMPRESSED.some((magic) => tar.subarray(0, magic.length).equals(magic))) return undefined
    await new Promise<void>((resolve, reject) => {
      const parser = new Parser({ strict: true })
      parser.on('entry', (entry) => {
        const pieces: Buffer[] = []
        const name = entry.path.replace(/^(?:\.\/)*[^/]*\//, '')
        entry.on('data', (piece: Buffer) => pieces.push(piece))
        entry.on('end', () => {
          if (/^(?:Old)?File$/.test(entry.type)) files.set(name, Buffer.concat(pieces))
        })
      })
      parser.once('end', resolve)
      parser.once('error', reject)
      parser.end(tar)
    })
    return files
  } catch {
    return undefined
  }
}
