import { createHash } from 'node:crypto'
import { parseCanonicalJson } from '../canonical-json.ts'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { compareBytes, type ListedObject, type ReleaseConfig } from './artifact.ts'
import { type ByteReader, inflate, readerOf } from './inflate.ts'
import { isKubeObject, type KubeObject, objectId, objectPath } from './objects.ts'
import { readPaxPath, readTarHeader, TAR_BLOCK, TAR_END, type TarClaim, tarHeader, tarPadding } from './tar.ts'

/** The generated file in each environment's folder that lets Flux, Argo CD and `kubectl apply -k` read it. */
export const KUSTOMIZATION = 'kustomization.yaml'

/** An object of the layer, and what the config lists it as. */
export type LayerObject = { readonly listed: ListedObject; readonly object: KubeObject }

/** The bytes of an environment's `kustomization.yaml`: its objects' paths, sorted bytewise. */
export function writeKustomization(objects: readonly Pick<ListedObject, 'path'>[]): Buffer {
  const lines = objects.map(({ path }) => `  - ${JSON.stringify(path)}\n`)
  const head = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'
  return Buffer.from(`${head}resources:${lines.length === 0 ? ' []\n' : `\n${lines.join('')}`}`, 'utf8')
}

/** One file that the layer must hold: an object that the config lists, or an environment's kustomization. */
type ExpectedFile = {
  readonly path: string
  readonly environment: string
  readonly listed?: ListedObject
  readonly bytes?: Buffer
}

/**
 * Reads the objects of one environment out of a layer, in the order of the config. The archive must hold exactly the files
 * that the config lists, each written in the one way of docs/FORMAT.md, in order, and nothing else; so links, devices,
 * folders, second entries of a name and names that lead elsewhere have no place in it. The environment's objects are
 * held against their listed sha256 and identity; other environments' content is passed over unread. Memory is that of this
 * environment's objects; the time is bounded by LIMITS.
 *
 * `layer` is to be checked against its descriptor's digest before.
 * @throws WaybillError ENVIRONMENT_UNKNOWN; LAYER_INVALID, OBJECT_INVALID, LIMIT_EXCEEDED naming the entry
 */
export async function readLayer(
  layer: Uint8Array,
  config: ReleaseConfig,
  environment: string,
): Promise<readonly LayerObject[]> {
  if (!Object.hasOwn(config.environments, environment))
    throw new WaybillError('ENVIRONMENT_UNKNOWN', `the artifact has no environment "${environment}"`)
  if (layer.length > LIMITS.layerBytesMax)
    throw new WaybillError('LIMIT_EXCEEDED', `the layer has ${layer.length} bytes; ${LIMITS.layerBytesMax} are allowed`)
  const chunks = inflate(layer, LIMITS.layerUnpackedBytesMax)
  try {
    return await readEntries(readerOf(chunks), expectedFiles(config), environment)
  } finally {
    await chunks.return(undefined)
  }
}

async function readEntries(
  reader: ByteReader,
  expected: readonly ExpectedFile[],
  environment: string,
): Promise<readonly LayerObject[]> {
  const objects: LayerObject[] = []
  let previous = ''
  for (const file of expected) {
    const size = await readHeader(reader, file, previous, expected)
    const content = await reader.read(size + tarPadding(size), file.path)
    if (content.subarray(size).some((byte) => byte !== 0)) throw invalid(`${file.path}: its padding is not empty`)
    const bytes = content.subarray(0, size)
    if (file.bytes !== undefined && !file.bytes.equals(bytes))
      throw invalid(`${file.path}: it does not list what the config lists`)
    if (file.listed !== undefined && file.environment === environment) objects.push(parseObject(file.listed, bytes))
    previous = file.path
  }
  await readEnd(reader, previous, expected)
  return objects
}

/** Every file of the layer, sorted bytewise, from the config alone: a listing that no packer writes is refused here. */
function expectedFiles(config: ReleaseConfig): readonly ExpectedFile[] {
  const environments = Object.entries(config.environments)
  const count = environments.reduce((sum, [, { objects }]) => sum + objects.length + 1, 0)
  if (count > LIMITS.layerEntriesMax)
    throw new WaybillError('LIMIT_EXCEEDED', `the layer has ${count} entries; ${LIMITS.layerEntriesMax} are allowed`)
  const files = environments.flatMap(([environment, { objects }]): ExpectedFile[] => {
    objects.forEach((listed, i) => {
      checkListing(environment, listed, objects[i - 1])
    })
    const paths = objects.map((listed) => ({ path: `${environment}/${listed.path}`, environment, listed }))
    return [...paths, { path: `${environment}/${KUSTOMIZATION}`, environment, bytes: writeKustomization(objects) }]
  })
  return files.sort((a, b) => compareBytes(a.path, b.path))
}

function checkListing(environment: string, listed: ListedObject, before: ListedObject | undefined): void {
  const { apiVersion, kind, namespace, name, path } = listed
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) }
  if (path !== objectPath(objectId({ apiVersion, kind, metadata })))
    throw new WaybillError('OBJECT_INVALID', `${environment}/${path.slice(0, 200)}: not the path of ${kind} ${name}`)
  if (before !== undefined && compareBytes(before.path, path) >= 0)
    throw new WaybillError('OBJECT_INVALID', `${environment}/${path}: listed twice, or out of order`)
}

/** Reads the header of `file` and gives the size that it declares. */
async function readHeader(
  reader: ByteReader,
  file: ExpectedFile,
  previous: string,
  expected: readonly ExpectedFile[],
): Promise<number> {
  const first = await reader.read(TAR_BLOCK, file.path)
  if (first.every((byte) => byte === 0))
    throw new WaybillError('OBJECT_INVALID', `${file.path}: the config lists it, the layer does not hold it`)
  const { header, claim, path } = await readClaim(reader, first)
  if (claim.damaged || !header.equals(tarHeader(file.path, claim.size)))
    throw entryRefused(claim, path, file, previous, expected)
  const bytesMax = file.bytes?.length ?? LIMITS.objectBytesMax
  if (claim.size > bytesMax)
    throw new WaybillError('LIMIT_EXCEEDED', `${file.path}: declares ${claim.size} bytes; ${bytesMax} are allowed`)
  return claim.size
}

type ClaimedHeader = { readonly header: Buffer; readonly claim: TarClaim; readonly path: string }

/** A header block, or a pax header, its body and the header block that follows it. */
async function readClaim(reader: ByteReader, first: Buffer): Promise<ClaimedHeader> {
  const claim = readTarHeader(first)
  if (claim.damaged) throw invalid('a damaged tar header')
  if (claim.type !== 'ExtendedHeader') return { header: first, claim, path: claim.path }
  if (claim.size > LIMITS.pathBytesMax + TAR_BLOCK)
    throw new WaybillError('LIMIT_EXCEEDED', `the layer: a pax header of ${claim.size} bytes`)
  const body = await reader.read(claim.size + tarPadding(claim.size), 'a pax header')
  const main = await reader.read(TAR_BLOCK, 'a pax header')
  const mainClaim = readTarHeader(main)
  return {
    header: Buffer.concat([first, body, main]),
    claim: mainClaim,
    path: readPaxPath(body.subarray(0, claim.size)) ?? mainClaim.path,
  }
}

/** Says, for a person, why an entry has no place in the layer. */
function entryRefused(
  claim: TarClaim,
  path: string,
  wanted: ExpectedFile | undefined,
  previous: string,
  expected: readonly ExpectedFile[],
): WaybillError {
  const name = JSON.stringify(path.slice(0, 200))
  if (claim.damaged) return invalid('a damaged tar header')
  if (claim.type !== 'File') return invalid(`${name}: an entry of type ${claim.type}; only plain files are allowed`)
  if (path.startsWith('/') || path.includes('\\') || path.split('/').includes('..'))
    return invalid(`${name}: a name that leads out of the folder`)
  if (path === previous) return invalid(`${name}: two entries of one name`)
  const listed = expected.some((file) => file.path === path)
  if (!listed) return new WaybillError('OBJECT_INVALID', `${name}: the config does not list it`)
  if (wanted === undefined || path === wanted.path)
    return invalid(`${name}: its header is not written as docs/FORMAT.md says`)
  return new WaybillError('OBJECT_INVALID', `${name}: stands where ${wanted.path} should; missing or out of order`)
}

async function readEnd(reader: ByteReader, previous: string, expected: readonly ExpectedFile[]): Promise<void> {
  const block = await reader.read(TAR_BLOCK, 'the end')
  if (block.some((byte) => byte !== 0)) {
    const { claim, path } = await readClaim(reader, block)
    throw entryRefused(claim, path, undefined, previous, expected)
  }
  const rest = await reader.read(TAR_END.length - TAR_BLOCK, 'the end')
  if (rest.some((byte) => byte !== 0) || !(await reader.ended())) throw invalid('something follows its end')
}

function parseObject(listed: ListedObject, bytes: Buffer): LayerObject {
  const what = `the object ${listed.path}`
  const wrong = (why: string) => new WaybillError('OBJECT_INVALID', `${what}: ${why}`)
  if (createHash('sha256').update(bytes).digest('hex') !== listed.sha256)
    throw wrong('its sha256 is not the one that the config lists')
  const object = parseObjectJson(what, bytes)
  if (!isKubeObject(object)) throw wrong('not a Kubernetes object')
  const same =
    object.apiVersion === listed.apiVersion &&
    object.kind === listed.kind &&
    object.metadata.name === listed.name &&
    object.metadata.namespace === listed.namespace
  if (!same) throw wrong('it is not the object that the config lists')
  return { listed, object }
}

function parseObjectJson(what: string, bytes: Buffer) {
  try {
    return parseCanonicalJson(what, bytes)
  } catch (cause) {
    throw new WaybillError('OBJECT_INVALID', cause instanceof Error ? cause.message : what, { cause })
  }
}

function invalid(why: string): WaybillError {
  return new WaybillError('LAYER_INVALID', `the layer: ${why}`)
}
