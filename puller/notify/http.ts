import { request } from 'undici'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { type ConnectionOptions, createConnections } from '../../contract/registry/connections.ts'

export type Sent = {
  readonly status: number
  /** How long the receiver asked to be left alone, at most an hour. */
  readonly retryAfterMs?: number
}

export interface Sender {
  /**
   * One POST. Redirects are not followed and the answer is not read.
   * @throws WaybillError NOTIFICATION_REFUSED (where it may not go), NOTIFICATION_FAILED (no answer); neither says why a connection failed:
   *   who chooses the address shall not learn what the puller can reach
   */
  send(url: URL, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<Sent>
  close(): Promise<void>
}

export type SenderOptions = Pick<ConnectionOptions, 'proxy'> & {
  /** Also to http addresses, to this machine and to link-local addresses. */
  readonly anywhere?: boolean
}

const REQUEST_MS = 15_000
const RETRY_AFTER_MS_MAX = 3_600_000
/** Somewhere on the network: what registries may redirect to from there is what notifications may go to. */
const ELSEWHERE = new URL('https://receiver.invalid')

export function createSender({ anywhere = false, proxy }: SenderOptions): Sender {
  const connections = createConnections({ idleMs: REQUEST_MS, ...(proxy === undefined ? {} : { proxy }) })
  return {
    send: async (url, headers, body, signal) => {
      try {
        const answer = await request(url, {
          method: 'POST',
          headers: { 'user-agent': 'waybill', ...headers },
          body,
          dispatcher: anywhere ? connections.registry : connections.toward(ELSEWHERE, url),
          signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
        })
        answer.body.on('error', () => undefined)
        answer.body.destroy()
        const retryAfterMs = retryAfter(answer.headers['retry-after'])
        return { status: answer.statusCode, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
      } catch (cause) {
        if (refused(cause))
          throw new WaybillError('NOTIFICATION_REFUSED', 'its address is one that notifications do not go to')
        throw new WaybillError('NOTIFICATION_FAILED', 'the receiver could not be reached', { cause })
      }
    },
    close: () => connections.close(),
  }
}

/** Refused before connecting, by the address itself or by what its name stands for. */
function refused(error: unknown): boolean {
  for (let at = error, i = 0; at instanceof Error && i < 5; at = at.cause, i++)
    if (hasCode(at, 'REGISTRY_REDIRECT')) return true
  return false
}

function retryAfter(value: string | string[] | undefined): number | undefined {
  const text = String(value ?? '')
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined
}
