import { type Dispatcher, request } from 'undici'
import { WaybillError } from '../errors.ts'

/** The answer's head; the body must be read or dropped by one of the functions below. */
export type Answer = {
  readonly status: number
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Dispatcher.ResponseData['body']
}

export type Ask = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Silence after the request was sent whole, where it may be longer than on other requests. */
  readonly answerMs?: number
  readonly dispatcher: Dispatcher
  /** Headers to last byte. */
  readonly signal: AbortSignal
}

/**
 * One HTTP request, redirects not followed. @throws WaybillError REGISTRY_UNREACHABLE, REGISTRY_REDIRECT (an address that the
 * dispatcher refuses)
 */
export async function ask({ method, url, headers = {}, body, answerMs, dispatcher, signal }: Ask): Promise<Answer> {
  try {
    const answer = await request(url, {
      method,
      dispatcher,
      signal,
      headers: { 'user-agent': 'waybill', 'accept-encoding': 'identity', ...headers },
      ...(body === undefined ? {} : { body }),
      ...(answerMs === undefined ? {} : { headersTimeout: answerMs }),
    })
    // A body that is given up emits an error; without a listener that would end the process.
    answer.body.on('error', () => {})
    return { status: answer.statusCode, url, headers: flat(answer.headers), body: answer.body }
  } catch (error) {
    throw connectionError(url, error)
  }
}

/**
 * Reads a whole body of at most `bytesMax` bytes: the declared length first, then what comes.
 * @throws WaybillError LIMIT_EXCEEDED; REGISTRY_UNREACHABLE when the connection breaks or falls silent before the end
 */
export async function readBody({ url, headers, body }: Answer, bytesMax: number): Promise<Buffer> {
  const declared = Number(headers['content-length'] ?? 0)
  const tooLong = () => new WaybillError('LIMIT_EXCEEDED', `${where(url)}: an answer of more than ${bytesMax} bytes`)
  if (declared > bytesMax) {
    body.destroy()
    throw tooLong()
  }
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > bytesMax) throw tooLong()
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof WaybillError) throw error
    throw connectionError(url, error, ` after ${size} bytes`)
  }
  return Buffer.concat(chunks)
}

/** Lets go of a body that nobody needs, so that its connection can be used again. */
export async function dropBody({ body }: Pick<Answer, 'body'>): Promise<void> {
  await body.dump({ limit: 64 * 1024 }).catch(() => body.destroy())
}

/** A URL as errors show it: what follows `?` can hold credentials. */
export function where(url: URL): string {
  return `${url.origin}${url.pathname}`
}

/** What a 429 is, with what it says of when to come back. */
export function rateLimited({ url, headers }: Pick<Answer, 'url' | 'headers'>): WaybillError {
  const seconds = retryAfter(headers)
  return new WaybillError('REGISTRY_RATE_LIMITED', `${where(url)}: answers 429`, {
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  })
}

/** `Retry-After`, in seconds, or as a date held against the answer's own `Date`; at most an hour. */
function retryAfter(headers: Answer['headers']): number | undefined {
  const text = headers['retry-after'] ?? ''
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : (Date.parse(text) - Date.parse(headers.date ?? '')) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 0), 3600) : undefined
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  )
}

function connectionError(url: URL, error: unknown, progress = ''): WaybillError {
  const refusal = findWaybillError(error)
  if (refusal !== undefined) return refusal
  return new WaybillError('REGISTRY_UNREACHABLE', `${where(url)}: ${reason(error)}${progress}`, { cause: error })
}

function findWaybillError(error: unknown): WaybillError | undefined {
  for (let at = error, i = 0; at instanceof Error && i < 5; at = at.cause, i++)
    if (at instanceof WaybillError) return at
  return undefined
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection is refused',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host’s name cannot be looked up now',
  ECONNRESET: 'the connection was reset',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer fell silent',
  UND_ERR_SOCKET: 'the connection broke off',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer ended before its declared length',
}

function reason(error: unknown): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return 'it took too long'
  for (let at = error, i = 0; at instanceof Error && i < 5; at = at.cause, i++) {
    const code = 'code' in at && typeof at.code === 'string' ? at.code : ''
    const known = reasons[code]
    if (known !== undefined) return known
    if (/^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO)/.test(code)) return `TLS: ${code}`
  }
  return 'the connection failed'
}
