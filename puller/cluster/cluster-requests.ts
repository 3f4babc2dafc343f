import { type Dispatcher, request as send } from 'undici'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { systemClock } from '../clock.ts'
import type { Access, ClusterAccess } from './cluster-access.ts'
import { readAnswer, watchLines } from './cluster-body.ts'
import type { Cluster, ClusterAnswer, ClusterRequest, Identity, WatchEvent } from './cluster-port.ts'
import { DELIVERY_EXTRA } from './delivery-extra.ts'
import { Discovery } from './discovery.ts'
import { Standing } from './standing.ts'

export type ConnectedCluster = Cluster & {
  close(): Promise<void>
  /** Of the context, or of the pod; `default` where there is none. */
  readonly defaultNamespace: string
  readonly server: string
}

const TRIES = 4
const RETRY_MS = 150
const RETRY_AFTER_MS_MAX = 10_000
/** A conversion or admission webhook may keep the API server for 30 s. */
const SILENCE_MS = 65_000
const REQUEST_MS = 120_000
const READY_ANSWER_MS = 5_000
/** The server ends a watch by itself after this; silence that lasts longer is a dead connection. */
const WATCH_SECONDS = 300

/** Requests over one pool of connections. Nothing is sent before the first. */
export function clusterOver(access: Access, server: string, defaultNamespace: string): ConnectedCluster {
  const standing = new Standing(() => isReady(access, server), systemClock)
  const line: Line = { access, server, standing }
  const cluster: Omit<Cluster, 'resource'> = {
    request: (as, request) => requestWithRetries(line, as, request),
    watch: (as, request) => watch(line, as, request),
  }
  const discovery = new Discovery(cluster)
  return {
    ...cluster,
    resource: (apiVersion, kind, { refresh = false } = {}) => discovery.resource(apiVersion, kind, refresh),
    close: () => access.close(),
    defaultNamespace,
    server,
  }
}

/** To one API server, with what is known of it. */
type Line = { readonly access: ClusterAccess; readonly server: string; readonly standing: Standing }

/** At its very beginning it forbids even this question, which it lets everybody ask later. */
async function isReady(access: ClusterAccess, server: string): Promise<boolean> {
  const signal = AbortSignal.timeout(READY_ANSWER_MS)
  try {
    const { answer } = await requestOnce(access, server, 'puller', { method: 'GET', path: '/readyz', signal })
    return answer.status === 200 || answer.status === 404
  } catch (error) {
    // 200 with `ok`, which is no JSON.
    return hasCode(error, 'CLUSTER_FAILED')
  }
}

async function requestWithRetries(line: Line, as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
  const { access, server, standing } = line
  const safe = request.method === 'GET' || request.query?.dryRun === 'All'
  for (let attempt = 1; ; attempt++) {
    const last = attempt === TRIES || request.signal?.aborted === true
    const isSure = standing.isSure()
    try {
      const { answer, retryAfterMs } = await requestOnce(access, server, as, request)
      if (answer.status === 403 && !isSure && !last) {
        await standing.becomeSure(request.signal)
        continue
      }
      const busy = answer.status === 429 || (safe && [502, 503, 504].includes(answer.status) && attempt < TRIES - 1)
      if (!busy || last) return answer
      await pause(retryAfterMs ?? RETRY_MS * 2 ** attempt, request.signal)
    } catch (error) {
      if (request.signal?.aborted !== true) standing.ended()
      if (!safe || last || !hasCode(error, 'CLUSTER_UNREACHABLE')) throw error
      await pause(RETRY_MS * 2 ** attempt, request.signal)
    }
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return systemClock.sleep(ms * (0.5 + systemClock.random()), signal)
}

async function requestOnce(
  access: ClusterAccess,
  server: string,
  as: Identity,
  request: ClusterRequest,
): Promise<{ answer: ClusterAnswer; retryAfterMs: number | undefined }> {
  // Not AbortSignal.timeout, which would be kept for its whole time by each of many thousand requests.
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), REQUEST_MS)
  const signal = request.signal === undefined ? late.signal : AbortSignal.any([request.signal, late.signal])
  try {
    const response = await sendAuthenticated(access, server, as, request, { signal, silenceMs: SILENCE_MS })
    const answer = await reached(server, () => readAnswer(response, LIMITS.clusterAnswerBytesMax))
    return { answer, retryAfterMs: retryAfterOf(response) }
  } finally {
    clearTimeout(timer)
  }
}

function retryAfterOf(response: Dispatcher.ResponseData): number | undefined {
  const seconds = Number(response.headers['retry-after'])
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : undefined
}

/** Sends once, and once more with new credentials where the first were not accepted. @throws CLUSTER_AUTH, CLUSTER_UNREACHABLE */
async function sendAuthenticated(
  access: ClusterAccess,
  server: string,
  as: Identity,
  request: ClusterRequest,
  limits: { readonly signal: AbortSignal | undefined; readonly silenceMs: number },
): Promise<Dispatcher.ResponseData> {
  for (let attempt = 1; ; attempt++) {
    const { dispatcher, headers } = await access.current()
    const response = await observed(
      access,
      request,
      () =>
        send(urlOf(server, request), {
          dispatcher,
          method: request.method,
          headers: { ...headers, ...requestHeaders(as, request, access) },
          body: request.body === undefined ? null : JSON.stringify(request.body),
          headersTimeout: SILENCE_MS,
          bodyTimeout: limits.silenceMs,
          ...(limits.signal === undefined ? {} : { signal: limits.signal }),
        }),
      server,
    )
    // Who reads the body gets its error; a stream that is let go of early must not end the process with one.
    response.body.on('error', () => undefined)
    if (response.statusCode !== 401) return response
    await response.body.dump()
    access.renew()
    if (attempt === 2) throw new WaybillError('CLUSTER_AUTH', `${server} does not accept the credentials`)
  }
}

async function observed(
  { observe }: ClusterAccess,
  { method, path, query = {} }: ClusterRequest,
  ask: () => Promise<Dispatcher.ResponseData>,
  server: string,
): Promise<Dispatcher.ResponseData> {
  const startMs = systemClock.monotonicMs()
  const seen = (status: number) =>
    observe?.({
      kind: 'api-request',
      method,
      path: `${path}?${new URLSearchParams(query)}`,
      status,
      seconds: (systemClock.monotonicMs() - startMs) / 1000,
    })
  try {
    const response = await reached(server, ask)
    seen(response.statusCode)
    return response
  } catch (error) {
    seen(0)
    throw error
  }
}

async function reached<T>(server: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code).slice(0, 64)})` : ''
    throw new WaybillError('CLUSTER_UNREACHABLE', `no answer from ${server}${code}`, { cause })
  }
}

function urlOf(server: string, { path, query }: ClusterRequest): string {
  const search = query === undefined ? '' : `?${new URLSearchParams(query)}`
  return `${server.replace(/\/+$/, '')}${path}${search}`
}

const ACCOUNT = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/

const EXTRA_HEADER = `Impersonate-Extra-${encodeURIComponent(DELIVERY_EXTRA)}`

/** Headers of one request. Asking as an account sets Impersonate-User, over anything that the kubeconfig says. */
function requestHeaders(
  as: Identity,
  { accept, contentType, body }: ClusterRequest,
  { namesDeliveries = false }: Pick<ClusterAccess, 'namesDeliveries'>,
): Record<string, string> {
  const headers: Record<string, string> = { accept: accept ?? 'application/json', 'user-agent': 'waybill' }
  if (body !== undefined) headers['content-type'] = contentType ?? 'application/json'
  if (as !== 'puller') {
    if (!ACCOUNT.test(as.namespace) || !ACCOUNT.test(as.serviceAccount))
      throw new WaybillError('DELIVERY_INVALID', 'the service account’s name is not one that Kubernetes takes')
    headers['Impersonate-User'] = `system:serviceaccount:${as.namespace}:${as.serviceAccount}`
    if (namesDeliveries && as.delivery !== undefined) headers[EXTRA_HEADER] = `${as.namespace}/${as.delivery}`
  }
  return headers
}

async function* watch(
  { access, server, standing }: Line,
  as: Identity,
  request: Omit<ClusterRequest, 'method' | 'body'>,
): AsyncGenerator<WatchEvent> {
  const query = { timeoutSeconds: String(WATCH_SECONDS), ...request.query, watch: '1', allowWatchBookmarks: 'true' }
  const silenceMs = (WATCH_SECONDS + 30) * 1000
  const limits = { signal: request.signal, silenceMs }
  const begin = () => sendAuthenticated(access, server, as, { ...request, method: 'GET', query }, limits)
  try {
    const isSure = standing.isSure()
    let response = await begin()
    if (response.statusCode === 403 && !isSure) {
      await response.body.dump()
      await standing.becomeSure(request.signal)
      response = await begin()
    }
    if (response.statusCode !== 200) {
      const { body } = await readAnswer(response, LIMITS.clusterAnswerBytesMax)
      yield { type: 'ERROR', object: { ...body, code: response.statusCode } }
      return
    }
    yield* watchLines(response.body, LIMITS.clusterAnswerBytesMax)
    if (request.signal?.aborted !== true) standing.ended()
  } catch (error) {
    if (request.signal?.aborted === true) return
    standing.ended()
    throw error
  }
}
