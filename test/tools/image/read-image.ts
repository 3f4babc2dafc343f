import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { extract, list, type ReadEntry } from 'tar'

export type Descriptor = { readonly digest: string; readonly size: number }

/** An image of an OCI layout, as anybody would read it. */
export type ReadImage = {
  readonly digest: string
  readonly manifest: { readonly layers: readonly Descriptor[]; readonly annotations?: Readonly<Record<string, string>> }
  readonly config: {
    readonly architecture: string
    readonly os: string
    readonly created: string
    readonly config: Readonly<Record<string, unknown>>
    readonly rootfs: { readonly diff_ids: readonly string[] }
  }
  /** Files of the layers, one after the other. */
  readonly layerFiles: readonly string[]
}

export function readImage(folder: string, tag: string): ReadImage {
  const blob = (digest: string) => join(folder, 'blobs', 'sha256', digest.slice('sha256:'.length))
  const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
  const { manifests } = json(join(folder, 'index.json'))
  const entry = manifests.find(
    (one: { annotations?: Record<string, string> }) => one.annotations?.['org.opencontainers.image.ref.name'] === tag,
  )
  const manifest = json(blob(entry.digest))
  return {
    digest: entry.digest,
    manifest,
    config: json(blob(manifest.config.digest)),
    layerFiles: manifest.layers.map(({ digest }: Descriptor) => blob(digest)),
  }
}

/** One thing of a layer; `path` without a leading slash, a folder's with one at its end. */
export type Listed = Pick<ReadEntry, 'path' | 'type' | 'mode' | 'uid' | 'gid' | 'mtime' | 'linkpath' | 'size'>

export async function listLayer(file: string): Promise<readonly Listed[]> {
  const found: Listed[] = []
  await list({ file, onReadEntry: (entry) => void found.push(entry) })
  return found
}

/** Lays the layers out below `folder`, as a runtime would; owners as root only. */
export async function unpackImage({ layerFiles }: ReadImage, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (const file of layerFiles)
    await extract({ file, cwd: folder, preserveOwner: process.getuid?.() === 0, chmod: true })
}
