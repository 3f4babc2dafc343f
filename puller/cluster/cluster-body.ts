import type { Dispatcher } from 'undici'
import { isJsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { ClusterAnswer, WatchEvent } from './cluster-port.ts'

/**
 * Reads one answer of at most `bytesMax`. What is not a JSON object counts as an empty one, unless it came as a success.
 * @throws WaybillError CLUSTER_FAILED
 */
export async function readAnswer(response: Dispatcher.ResponseData, bytesMax: number): Promise<ClusterAnswer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response.body) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > bytesMax) {
      response.body.destroy()
      throw new WaybillError('CLUSTER_FAILED', `the API server answered with more than ${bytesMax} bytes`)
    }
    chunks.push(bytes)
  }
  const body = parseObject(Buffer.concat(chunks).toString('utf8'))
  if (body === undefined && response.statusCode < 300)
    throw new WaybillError(
      'CLUSTER_FAILED',
      `what answered (${response.statusCode}) is not an API server: no JSON object`,
    )
  return { status: response.statusCode, body: body ?? {} }
}

const EVENT_TYPES: readonly WatchEvent['type'][] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']

/**
 * The events of a watch: one JSON object a line, at most `bytesMax` each. A connection that breaks ends the stream, as a server
 * that ends it does.
 * @throws WaybillError CLUSTER_FAILED for what is not a watch event
 */
export async function* watchLines(body: AsyncIterable<unknown>, bytesMax: number): AsyncGenerator<WatchEvent> {
  let rest: Buffer[] = []
  let size = 0
  const chunks = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await chunks.next().catch(() => ({ done: true, value: undefined }))
      if (next.done === true) return
      let bytes = bytesOf(next.value)
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
        const line = Buffer.concat([...rest, bytes.subarray(0, end)]).toString('utf8')
        bytes = bytes.subarray(end + 1)
        rest = []
        size = 0
        if (line.trim() !== '') yield parseEvent(line)
      }
      size += bytes.length
      if (size > bytesMax) throw new WaybillError('CLUSTER_FAILED', `a watch event of more than ${bytesMax} bytes`)
      if (bytes.length > 0) rest.push(bytes)
    }
  } finally {
    await chunks.return?.().catch(() => undefined)
  }
}

function bytesOf(chunk: unknown): Buffer {
  return chunk instanceof Uint8Array
    ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    : Buffer.from(String(chunk))
}

function parseEvent(line: string): WatchEvent {
  const event = parseObject(line)
  const type = EVENT_TYPES.find((known) => known === event?.type)
  if (event === undefined || type === undefined || !isJsonObject(event.object))
    throw new WaybillError('CLUSTER_FAILED', 'what answered a watch is not an API server: no watch event')
  return { type, object: event.object }
}

function parseObject(text: string) {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
