import { Header, Pax } from 'tar'

export const TAR_BLOCK = 512
/** What ends the archive: two blocks of zeroes, and nothing after them. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK)

const FIXED = { mode: 0o644, uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) } as const

/**
 * The header of one plain file, in the only way that a layer writes it: ustar (POSIX.1-1988), mode 0644, owner 0:0 without
 * names, mtime 0; a path that ustar cannot hold stands in a pax header (POSIX.1-2001) with `path` alone, before it.
 */
export function tarHeader(path: string, size: number): Buffer {
  const file = new Header({ ...FIXED, path, size, type: 'File' })
  if (!file.encode()) return blockOf(file)
  const body = Buffer.from(new Pax({ path }).encodeBody(), 'utf8')
  const extended = new Header({ ...FIXED, path: 'PaxHeader/path', size: body.length, type: 'ExtendedHeader' })
  extended.encode()
  return Buffer.concat([blockOf(extended), body, Buffer.alloc(tarPadding(body.length)), blockOf(file)])
}

/** Zero bytes after `size` bytes of content, up to the next block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK
}

/** A whole archive of these files, in the order given. */
export function writeTar(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Buffer {
  const parts = files.flatMap(({ path, bytes }) => [
    tarHeader(path, bytes.length),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ])
  return Buffer.concat([...parts, TAR_END])
}

/** What a header block claims. Nothing of it is to be believed before the block was compared with `tarHeader`. */
export type TarClaim = {
  readonly type: string
  readonly path: string
  readonly size: number
  readonly damaged: boolean
}

export function readTarHeader(block: Buffer): TarClaim {
  try {
    const { type, path, size = 0, cksumValid } = new Header(block)
    const damaged = cksumValid !== true || !Number.isSafeInteger(size) || size < 0
    return { type: type ?? 'unknown', path: path ?? '', size: damaged ? 0 : size, damaged }
  } catch {
    // Numbers in base 256 that are none.
    return { type: 'unknown', path: '', size: 0, damaged: true }
  }
}

/** The path that a pax header's body gives; undefined when it gives none. */
export function readPaxPath(body: Buffer): string | undefined {
  return Pax.parse(body.toString('utf8').replace(/\0+$/, '')).path
}

function blockOf(header: Header): Buffer {
  return header.block ?? Buffer.alloc(TAR_BLOCK)
}
