import { MEDIA } from '../../contract/artifact/artifact.ts'
import { canonicalJson } from '../../contract/canonical-json.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { parseRepository } from '../../contract/reference.ts'
import { openLayout } from '../../packager/layout-store.ts'
import { gzipOf, type LayerEntry, tarOf } from './tar-layer.ts'

/** How a container of the image is run, in OCI's own words (image-spec 1.1, config.md). */
export type ContainerConfig = {
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Env?: readonly string[]
  readonly User?: string
  readonly WorkingDir?: string
  readonly ExposedPorts?: Readonly<Record<string, Readonly<Record<string, never>>>>
}

export type ImageToWrite = {
  /** Of an OCI image layout; made if need be. One that is there already gains the image. */
  readonly folder: string
  /** What the layout calls the image. */
  readonly tag: string
  readonly layers: readonly (readonly LayerEntry[])[]
  readonly config: ContainerConfig
  /** `amd64` or `arm64`; that of this machine where nothing is said. */
  readonly architecture?: string
  /** Annotations of the manifest, and labels of the config. */
  readonly annotations?: Readonly<Record<string, string>>
  /** A UTC time in whole seconds; 1970 where nothing is said. */
  readonly created?: string
}

export type WrittenLayer = {
  readonly digest: Digest
  /** Bytes as they are pushed. */
  readonly size: number
  /** Of the tar. */
  readonly diffId: Digest
}

export type WrittenImage = {
  /** Of the manifest: what the image is pulled by. */
  readonly digest: Digest
  /** Of the manifest, in bytes. */
  readonly size: number
  readonly layers: readonly WrittenLayer[]
}

/** A layout has no repositories: any name will do where one is asked for. */
export const LAYOUT_REPOSITORY = parseRepository('localhost/image')

/** OCI's name for the processor that Node calls `arch`. */
export function architectureOf(arch: string): string {
  return arch === 'x64' ? 'amd64' : arch
}

/**
 * Writes a Linux image into an OCI image layout (image-spec 1.1), from entries alone: the same entries, the same digest.
 * `oras copy --from-oci-layout FOLDER:TAG HOST/REPOSITORY:TAG` pushes it. @throws WaybillError DISK_*, FILE_UNREADABLE
 */
export async function writeImage(image: ImageToWrite): Promise<WrittenImage> {
  const { folder, tag, architecture = architectureOf(process.arch), annotations = {} } = image
  const { created = '1970-01-01T00:00:00Z' } = image
  const layout = openLayout(folder)
  const layers: WrittenLayer[] = []
  for (const entries of image.layers) {
    const tar = tarOf(entries)
    const bytes = gzipOf(tar)
    await layout.pushBlob(LAYOUT_REPOSITORY, bytes, MEDIA.layer)
    layers.push({ digest: digestOf(bytes), size: bytes.length, diffId: digestOf(tar) })
  }
  const config = bytesOf({
    architecture,
    os: 'linux',
    created,
    config: { ...image.config, ...(Object.keys(annotations).length === 0 ? {} : { Labels: annotations }) },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  })
  const configType = 'application/vnd.oci.image.config.v1+json'
  await layout.pushBlob(LAYOUT_REPOSITORY, config, configType)
  const manifest = bytesOf({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: configType, digest: digestOf(config), size: config.length },
    layers: layers.map(({ digest, size }) => ({ mediaType: MEDIA.layer, digest, size })),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  })
  const digest = await layout.pushManifest(LAYOUT_REPOSITORY, manifest, MEDIA.manifest)
  await layout.tag(LAYOUT_REPOSITORY, digest, tag)
  return { digest, size: manifest.length, layers }
}

function bytesOf(value: object): Buffer {
  return Buffer.from(canonicalJson(value), 'utf8')
}
