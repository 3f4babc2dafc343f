import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { boundConnections } from './connections.ts'

/** A request, read whole and within bounds. */
export type Asked = {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type Reply = { readonly status: number; readonly contentType?: string; readonly body?: string }

/** Where to listen: `:8080` is every address of the machine. */
export type ListenAddress = { readonly host?: string; readonly port: number }

export type Listener = { readonly address: { readonly host: string; readonly port: number }; close(): Promise<void> }

const BODY_MS = 10_000
const HEADERS_MS = 5_000
const HEADER_BYTES_MAX = 16 * 1024
export const CONNECTIONS_MAX = 128

/**
 * Serves plain HTTP, on CONNECTIONS_MAX connections. A body is read only where `takesBody` says so, at most LIMITS.hookBodyBytesMax of it, within ten seconds. Whatever comes is
 * answered, or the connection is closed; `onFault` gets what `answer` threw, and the asker no more than a 500.
 * @throws WaybillError LISTEN_FAILED
 */
export async function listen(
  where: ListenAddress,
  answer: (asked: Asked) => Promise<Reply>,
  options: { readonly takesBody: (path: string) => boolean; readonly onFault: (error: unknown) => void },
): Promise<Listener> {
  const server = createServer(
    {
      requestTimeout: BODY_MS,
      headersTimeout: HEADERS_MS,
      keepAliveTimeout: HEADERS_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => {
      serve(request, response, answer, options).catch((error: unknown) => {
        options.onFault(error)
        response.destroy()
      })
    },
  )
  boundConnections(server, CONNECTIONS_MAX)
  server.on('clientError', (_error, socket) => socket.destroy())
  await bound(server, where)
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new WaybillError('LISTEN_FAILED', 'the server has no address')
  return {
    address: { host: address.address, port: address.port },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

async function bound(server: Server, { host, port }: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const shown = host === undefined ? `:${port}` : `${isIPv6(host) ? `[${host}]` : host}:${port}`
      reject(new WaybillError('LISTEN_FAILED', `${shown}: ${cause.code ?? 'cannot be listened at'}`, { cause }))
    })
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve)
  })
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answer: (asked: Asked) => Promise<Reply>,
  { takesBody, onFault }: Parameters<typeof listen>[2],
): Promise<void> {
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  const path = (request.url ?? '/').split('?')[0] ?? '/'
  const method = request.method ?? 'GET'
  const body = method === 'POST' && takesBody(path) ? await readBody(request) : Buffer.alloc(0)
  if (body === 'broken') return void response.destroy()
  if (body === 'too long') return end(response, { status: 413, body: 'the body is too long\n' }, true)
  let reply: Reply
  try {
    reply = await answer({ method, path, headers: flat(request.headers), body })
  } catch (error) {
    onFault(error)
    reply = { status: 500, body: 'an unexpected fault; the log says more\n' }
  }
  // What was not read is not waited for.
  end(response, reply, !request.complete)
}

function end(response: ServerResponse, { status, contentType, body = '' }: Reply, close: boolean): void {
  response.writeHead(status, {
    'content-type': contentType ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(close ? { connection: 'close' } : {}),
  })
  response.end(body)
}

async function readBody(request: IncomingMessage): Promise<Buffer | 'too long' | 'broken'> {
  if (Number(request.headers['content-length'] ?? 0) > LIMITS.hookBodyBytesMax) return 'too long'
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request) {
      const bytes = Buffer.from(chunk)
      size += bytes.length
      if (size > LIMITS.hookBodyBytesMax) return 'too long'
      chunks.push(bytes)
    }
  } catch {
    return 'broken'
  }
  return Buffer.concat(chunks)
}

function flat(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}
