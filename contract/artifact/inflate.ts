import { createGunzip } from 'node:zlib'
import { WaybillError } from '../errors.ts'

/**
 * Unpacks gzip (RFC 1952: its members, joined, and nothing behind them) piece by piece, so that a bomb costs no more than `bytesMax`.
 * @throws LAYER_INVALID, LIMIT_EXCEEDED
 */
export async function* inflate(packed: Uint8Array, bytesMax: number): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 })
  gunzip.end(packed)
  let bytes = 0
  try {
    for await (const piece of gunzip) {
      const chunk: Buffer = piece
      bytes += chunk.length
      if (bytes > bytesMax)
        throw new WaybillError('LIMIT_EXCEEDED', `the layer: unpacks to more than ${bytesMax} bytes`)
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    throw new WaybillError('LAYER_INVALID', 'the layer: not gzip, or cut short', { cause })
  } finally {
    gunzip.destroy()
  }
  // Node passes over zeroes behind the last member.
  if (gunzip.bytesWritten !== packed.length)
    throw new WaybillError('LAYER_INVALID', 'the layer: something follows its gzip')
}

export type ByteReader = {
  /** Exactly `size` bytes. @throws LAYER_INVALID naming `what` when fewer are left */
  read(size: number, what: string): Promise<Buffer>
  ended(): Promise<boolean>
}

/** Reads a stream of chunks in pieces of given sizes. */
export function readerOf(chunks: AsyncGenerator<Buffer>): ByteReader {
  let held: Buffer = Buffer.alloc(0)
  const fill = async (size: number): Promise<boolean> => {
    const parts = [held]
    let bytes = held.length
    while (bytes < size) {
      const next = await chunks.next()
      if (next.done === true) break
      parts.push(next.value)
      bytes += next.value.length
    }
    if (parts.length > 1) held = Buffer.concat(parts)
    return held.length >= size
  }
  return {
    async read(size, what) {
      if (held.length < size && !(await fill(size)))
        throw new WaybillError('LAYER_INVALID', `the layer: cut short at ${what}`)
      const piece = held.subarray(0, size)
      held = held.subarray(size)
      return piece
    },
    async ended() {
      return held.length === 0 && !(await fill(1))
    },
  }
}
