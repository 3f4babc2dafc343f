import { createHash } from 'node:crypto'
import { gzipSync } from 'fflate'
import {
  compareBytes,
  type ListedObject,
  type ReleaseConfig,
  type ReleaseEnvironment,
  treeDigest,
  writeConfig,
  writeManifest,
} from '../contract/artifact/artifact.ts'
import { KUSTOMIZATION, writeKustomization } from '../contract/artifact/layer.ts'
import { type KubeObject, objectId, objectPath } from '../contract/artifact/objects.ts'
import { writeTar } from '../contract/artifact/tar.ts'
import { canonicalJson } from '../contract/canonical-json.ts'
import { type Digest, digestOf } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'
import { imagesOf } from './render/images.ts'

/** What a release holds, before it has bytes. Nothing in it but what the commit says. */
export type Release = Pick<ReleaseConfig, 'package' | 'source' | 'kubernetes'> & {
  readonly environments: Readonly<Record<string, readonly KubeObject[]>>
}

/** The bytes of an artifact; its digest is that of the manifest. */
export type Packed = {
  readonly digest: Digest
  readonly manifest: Uint8Array
  readonly config: Uint8Array
  readonly layer: Uint8Array
  /** What `config` says. */
  readonly release: ReleaseConfig
}

/**
 * Packs objects into an artifact (docs/FORMAT.md): pure, so the same release is the same bytes everywhere.
 * @throws WaybillError LIMIT_EXCEEDED
 */
export function packRelease(release: Release): Packed {
  const environments = Object.entries(release.environments)
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([name, objects]) => packEnvironment(name, objects))
  const files = environments.flatMap(({ files }) => files).sort((a, b) => compareBytes(a.path, b.path))
  limit('entries in the layer', files.length, LIMITS.layerEntriesMax)
  const tar = writeTar(files)
  limit('bytes in the layer, unpacked', tar.length, LIMITS.layerUnpackedBytesMax)
  // fflate: the bytes of node:zlib differ between Node builds and processors.
  const layer = gzipSync(tar, { level: 6, mtime: 0 })
  limit('bytes in the layer', layer.length, LIMITS.layerBytesMax)
  const config: ReleaseConfig = {
    schemaVersion: 1,
    package: release.package,
    source: release.source,
    kubernetes: release.kubernetes,
    environments: Object.fromEntries(environments.map(({ name, listing }) => [name, listing])),
  }
  const configBytes = writeConfig(config)
  limit('bytes in the config', configBytes.length, LIMITS.configBytesMax)
  const manifest = writeManifest(config, configBytes, layer)
  return { digest: digestOf(manifest), manifest, config: configBytes, layer, release: config }
}

type PackedFile = { readonly path: string; readonly bytes: Uint8Array }
type PackedEnvironment = {
  readonly name: string
  readonly files: readonly PackedFile[]
  readonly listing: ReleaseEnvironment
}

function packEnvironment(name: string, objects: readonly KubeObject[]): PackedEnvironment {
  const packed = objects.map(packObject).sort((a, b) => compareBytes(a.listed.path, b.listed.path))
  const listed = packed.map((object) => object.listed)
  const files = packed.map(({ listed: { path }, bytes }) => ({ path: `${name}/${path}`, bytes }))
  const images = new Set(objects.flatMap((object) => imagesOf(object).map(({ image }) => image)))
  return {
    name,
    files: [...files, { path: `${name}/${KUSTOMIZATION}`, bytes: writeKustomization(listed) }],
    listing: { treeDigest: treeDigest(listed), objects: listed, images: [...images].sort(compareBytes) },
  }
}

function packObject(object: KubeObject): { readonly listed: ListedObject; readonly bytes: Uint8Array } {
  const bytes = Buffer.from(canonicalJson(object), 'utf8')
  const { namespace, name } = object.metadata
  const listed: ListedObject = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    path: objectPath(objectId(object)),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
  limit(`bytes in ${listed.path}`, bytes.length, LIMITS.objectBytesMax)
  return { listed, bytes }
}

function limit(what: string, found: number, max: number): void {
  if (found > max) throw new WaybillError('LIMIT_EXCEEDED', `${found} ${what}; ${max} are allowed`)
}
