import { gzipSync } from 'fflate'
import { Header, Pax } from 'tar'
import { compareBytes } from '../../contract/artifact/artifact.ts'
import { TAR_BLOCK, TAR_END, tarPadding } from '../../contract/artifact/tar.ts'

/**
 * One thing in an image's layer. `path` is absolute, without a trailing slash; `mode` has the permission bits, sticky and set-id bits
 * included. Owners are numbers, root where nothing is said. Folders on the way need not be named: they are root's, 0755.
 */
export type LayerEntry = { readonly path: string; readonly uid?: number; readonly gid?: number } & (
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly mode?: number }
  | { readonly kind: 'folder'; readonly mode?: number }
  | { readonly kind: 'link'; readonly target: string }
)

/** A layer's tar (image-spec 1.1, layer.md), with no times, sorted bytewise. @throws RangeError for a path twice, or one that is not plain */
export function tarOf(entries: readonly LayerEntry[]): Buffer {
  const all = withParents(entries).sort((a, b) => compareBytes(a.path, b.path))
  const parts = all.flatMap((entry) => {
    const bytes = entry.kind === 'file' ? entry.bytes : new Uint8Array()
    return [headerOf(entry), bytes, Buffer.alloc(tarPadding(bytes.length))]
  })
  return Buffer.concat([...parts, TAR_END])
}

/** Gzip bytes that do not change with Node's build or the processor. 126 MB take about 5 s and 300 MB of memory. */
export function gzipOf(tar: Uint8Array): Uint8Array {
  return gzipSync(tar, { level: 6, mtime: 0 })
}

function withParents(entries: readonly LayerEntry[]): LayerEntry[] {
  const all = new Map<string, LayerEntry>()
  for (const entry of entries) {
    if (!/^(?:\/[^/\0]+)+$/.test(entry.path) || /\/\.\.?(?:\/|$)/.test(entry.path))
      throw new RangeError(`not a plain absolute path: ${entry.path}`)
    if (all.has(entry.path)) throw new RangeError(`twice in one layer: ${entry.path}`)
    all.set(entry.path, entry)
  }
  for (const { path } of entries)
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end)
      if (!all.has(folder)) all.set(folder, { kind: 'folder', path: folder })
    }
  return [...all.values()]
}

const TYPES = { file: 'File', folder: 'Directory', link: 'SymbolicLink' } as const

function headerOf(entry: LayerEntry): Buffer {
  const path = `${entry.path.slice(1)}${entry.kind === 'folder' ? '/' : ''}`
  const header = new Header({
    path,
    mode: entry.kind === 'link' ? 0o777 : (entry.mode ?? (entry.kind === 'folder' ? 0o755 : 0o644)),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    uname: '',
    gname: '',
    mtime: new Date(0),
    size: entry.kind === 'file' ? entry.bytes.length : 0,
    type: TYPES[entry.kind],
    ...(entry.kind === 'link' ? { linkpath: entry.target } : {}),
  })
  // What ustar (POSIX.1-1988) cannot hold stands in a pax header (POSIX.1-2001) before it.
  if (!header.encode()) return blockOf(header)
  const long = { path, ...(entry.kind === 'link' ? { linkpath: entry.target } : {}) }
  const body = Buffer.from(new Pax(long).encodeBody(), 'utf8')
  const extended = new Header({
    path: 'PaxHeader/path',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: new Date(0),
    size: body.length,
    type: 'ExtendedHeader',
  })
  extended.encode()
  return Buffer.concat([blockOf(extended), body, Buffer.alloc(tarPadding(body.length)), blockOf(header)])
}

function blockOf(header: Header): Buffer {
  return header.block ?? Buffer.alloc(TAR_BLOCK)
}
