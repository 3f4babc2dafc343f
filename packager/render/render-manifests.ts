import { join, sep } from 'node:path'
import { compareBytes } from '../../contract/artifact/artifact.ts'
import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Checkout } from '../checkout.ts'
import { listFiles, look, readBounded } from '../disk.ts'
import { readYaml, type YamlFile, type YamlReader } from '../yaml/yaml.ts'
import { objectsOf } from './objects.ts'
import type { RenderedObject } from './rendered.ts'

export type RenderedPart = {
  readonly objects: readonly RenderedObject[]
  readonly faults: readonly Fault[]
  readonly warnings?: readonly Fault[]
}

const MANIFEST = /\.(?:ya?ml|json)$/
export const KUSTOMIZATION_FILES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']
export const LFS_POINTER = 'version https://git-lfs.github.com/spec/'

/**
 * The objects of plain folders and files: every .yaml, .yml and .json below them, sorted bytewise, each file once. A kustomization
 * among them is a fault: it is not an object, and leaving it out would deliver something else than its author meant.
 */
export async function renderManifests(
  checkout: Checkout,
  environment: string,
  paths: readonly string[],
  packageFile: string,
): Promise<RenderedPart> {
  const faults: Fault[] = []
  const files = new Set<string>()
  for (const path of paths) {
    const found = await filesUnder(checkout, environment, path, packageFile)
    for (const file of found.files) files.add(file)
    faults.push(...found.faults)
  }
  const objects: RenderedObject[] = []
  for (const file of [...files].sort(compareBytes)) {
    const read = await readInput(checkout, environment, file)
    const part = objectsOf(environment, file, read.documents)
    objects.push(...part.objects)
    faults.push(...read.faults, ...part.faults)
  }
  return { objects, faults }
}

async function filesUnder(
  checkout: Checkout,
  environment: string,
  path: string,
  packageFile: string,
): Promise<{ readonly files: readonly string[]; readonly faults: readonly Fault[] }> {
  const fault = (code: Fault['code'], file: string, message: string): Fault => ({ code, message, file, environment })
  const inFolder = path === '' || path === '.' ? '' : `${path}/`
  const unusable = [...checkout.unusable].filter(
    ([name]) =>
      `${path}/`.startsWith(`${name}/`) || (name.startsWith(inFolder) && (MANIFEST.test(name) || isFolderLike(name))),
  )
  const faults = unusable.map(([name, why]) => fault('INPUT_UNSUPPORTED', name, why))
  const found = await look(join(checkout.root, path))
  if (found === undefined)
    return {
      files: [],
      faults: faults.length > 0 ? faults : [fault('INPUT_MISSING', path, 'the commit has no such file or folder')],
    }
  if (found.kind === 'file') return { files: [path], faults }
  const names = (await listFiles(found.real)).filter((name) => MANIFEST.test(name) || name.endsWith('/Kustomization'))
  const files: string[] = []
  for (const name of names) {
    const file = `${inFolder}${name}`
    const base = name.slice(name.lastIndexOf('/') + 1)
    if (KUSTOMIZATION_FILES.includes(base))
      faults.push(
        fault(
          'INPUT_UNSUPPORTED',
          file,
          'a kustomization in a plain folder; declare the environment as kustomize, or move it',
        ),
      )
    else if (file !== packageFile) files.push(file)
  }
  return { files, faults }
}

/** Submodules and links to folders have names without an ending. */
function isFolderLike(name: string): boolean {
  return !name.slice(name.lastIndexOf('/') + 1).includes('.')
}

/** Reads one file of the commit, which may be reached through links that stay inside it. */
export async function readInput(
  checkout: Checkout,
  environment: string,
  file: string,
  reader: YamlReader = 'kubectl',
): Promise<YamlFile> {
  const fault = (code: Fault['code'], message: string): YamlFile => ({
    documents: [],
    faults: [{ code, message, file, environment }],
  })
  const found = await look(join(checkout.root, file))
  if (found === undefined) return fault('INPUT_MISSING', 'the commit has no such file')
  if (found.kind === 'folder') return fault('INPUT_UNSUPPORTED', 'a link to a folder; name the folder itself')
  if (!found.real.startsWith(checkout.root + sep)) return fault('INPUT_UNSUPPORTED', 'it leads out of the repository')
  const bytes = await readBounded(found.real, LIMITS.manifestFileBytesMax)
  if (bytes.subarray(0, LFS_POINTER.length).toString('latin1') === LFS_POINTER)
    return fault('INPUT_UNSUPPORTED', 'a Git LFS pointer, whose content is not part of the commit')
  const { documents, faults } = file.endsWith('.json') ? readJsonFile(file, bytes) : readYaml(file, bytes, reader)
  return { documents, faults: faults.map((one) => ({ ...one, environment })) }
}

/** JSON is read as the YAML that it is, for its lines; tabs, which YAML does not take, stand outside strings only. */
function readJsonFile(file: string, bytes: Buffer): YamlFile {
  try {
    JSON.parse(bytes.toString('utf8'))
  } catch {
    return { documents: [], faults: [{ code: 'YAML_INVALID', message: 'not one JSON value', file, line: 1 }] }
  }
  return readYaml(file, Buffer.from(bytes.toString('utf8').replaceAll('\t', ' '), 'utf8'))
}
