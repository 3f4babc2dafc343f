import { accessSync, constants, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { type Dispatcher, request as send } from 'undici'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { systemClock } from '../clock.ts'
import type { Observer } from '../metrics/observation.ts'
import { Access, type ClusterAccess } from './cluster-access.ts'
import { readAnswer, watchLines } from './cluster-body.ts'
import type { Cluster, ClusterAnswer, ClusterRequest, Identity, WatchEvent } from './cluster-port.ts'
import { Discovery } from './discovery.ts'

export type ClusterOptions = {
  readonly kubeconfig?: string
  readonly context?: string
  /** Use a mounted service account. Default: the kubeconfig as kubectl finds it, then the one that a pod has. */
  readonly serviceAccount?: ServiceAccountMount
  /** Told of every request that is sent, watches included. */
  readonly observe?: Observer
}

/** What a pod gets: a folder with `token` (which rotates), `ca.crt` and `namespace`, and where the API server is. */
export type ServiceAccountMount = { readonly directory: string; readonly host: string; readonly port: string }

export type ConnectedCluster = Cluster & {
  close(): Promise<void>
  /** Of the context; `default` where it names none. */
  readonly defaultNamespace: string
  readonly server: string
}

const TRIES = 4
const RETRY_MS = 150
const RETRY_AFTER_MS_MAX = 10_000
/** A conversion or admission webhook may keep the API server for 30 s. */
const SILENCE_MS = 65_000
const REQUEST_MS = 120_000
/** The server ends a watch by itself after this; silence that lasts longer is a dead connection. */
const WATCH_SECONDS = 300

/**
 * Opens one pool of connections to the API server that the kubeconfig names. Credentials that rotate (mounted tokens, exec plug-ins) are
 * renewed; nothing is sent before the first request.
 * @throws WaybillError CLUSTER_CONFIG
 */
export function connectCluster(options: ClusterOptions = {}): ConnectedCluster {
  const config = loadConfig(options)
  const server = config.getCurrentCluster()?.server
  if (server === undefined) throw new WaybillError('CLUSTER_CONFIG', 'no kubeconfig names a cluster to use')
  const access = new Access(config, options.observe)
  const cluster: Omit<Cluster, 'resource'> = {
    request: (as, request) => requestWithRetries(access, server, as, request),
    watch: (as, request) => watch(access, server, as, request),
  }
  const discovery = new Discovery(cluster)
  return {
    ...cluster,
    resource: (apiVersion, kind, { refresh = false } = {}) => discovery.resource(apiVersion, kind, refresh),
    close: () => access.close(),
    defaultNamespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    server,
  }
}

function loadConfig({ kubeconfig, context, serviceAccount }: ClusterOptions): KubeConfig {
  const config = new KubeConfig()
  try {
    if (serviceAccount !== undefined) loadMounted(config, serviceAccount)
    else if (kubeconfig !== undefined) config.loadFromFile(kubeconfig)
    else config.loadFromDefault()
  } catch (cause) {
    const what = serviceAccount?.directory ?? kubeconfig ?? 'the kubeconfig'
    throw new WaybillError('CLUSTER_CONFIG', `${what} cannot be read`, { cause })
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null)
      throw new WaybillError('CLUSTER_CONFIG', `the kubeconfig has no context "${context.slice(0, 253)}"`)
    config.setCurrentContext(context)
  }
  // As `kubectl proxy` gives it: there is no TLS to verify, and the library asks for the flag.
  config.clusters = config.clusters.map((one) => (/^http:/.test(one.server) ? { ...one, skipTLSVerify: true } : one))
  const cluster = config.getCurrentCluster()
  if (cluster === null || config.getCurrentContext() === 'loaded-context')
    throw new WaybillError('CLUSTER_CONFIG', 'no kubeconfig names a cluster to use')
  return config
}

/** The token is read by cluster-access.ts, as often as it may have rotated. */
function loadMounted(config: KubeConfig, { directory, host, port }: ServiceAccountMount): void {
  const [tokenFile, caFile] = ['token', 'ca.crt'].map((name) => join(directory, name))
  for (const path of [tokenFile, caFile]) accessSync(path ?? '', constants.R_OK)
  const namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim()
  const name = 'mounted'
  config.loadFromOptions({
    clusters: [{ name, caFile, server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`, skipTLSVerify: false }],
    users: [{ name, authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [{ name, cluster: name, user: name, namespace }],
    currentContext: name,
  })
}

async function requestWithRetries(
  access: ClusterAccess,
  server: string,
  as: Identity,
  request: ClusterRequest,
): Promise<ClusterAnswer> {
  const safe = request.method === 'GET' || request.query?.dryRun === 'All'
  for (let attempt = 1; ; attempt++) {
    const last = attempt === TRIES || request.signal?.aborted === true
    try {
      const { answer, retryAfterMs } = await requestOnce(access, server, as, request)
      const busy = answer.status === 429 || (safe && [502, 503, 504].includes(answer.status) && attempt < TRIES - 1)
      if (!busy || last) return answer
      await pause(retryAfterMs ?? RETRY_MS * 2 ** attempt, request.signal)
    } catch (error) {
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
          headers: { ...headers, ...requestHeaders(as, request) },
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

/** Headers of one request. Asking as an account sets Impersonate-User, over anything that the kubeconfig says. */
function requestHeaders(as: Identity, { accept, contentType, body }: ClusterRequest): Record<string, string> {
  const headers: Record<string, string> = { accept: accept ?? 'application/json', 'user-agent': 'waybill' }
  if (body !== undefined) headers['content-type'] = contentType ?? 'application/json'
  if (as !== 'puller') {
    if (!ACCOUNT.test(as.namespace) || !ACCOUNT.test(as.serviceAccount))
      throw new WaybillError('DELIVERY_INVALID', 'the service account’s name is not one that Kubernetes takes')
    headers['Impersonate-User'] = `system:serviceaccount:${as.namespace}:${as.serviceAccount}`
  }
  return headers
}

async function* watch(
  access: ClusterAccess,
  server: string,
  as: Identity,
  request: Omit<ClusterRequest, 'method' | 'body'>,
): AsyncGenerator<WatchEvent> {
  const query = { timeoutSeconds: String(WATCH_SECONDS), ...request.query, watch: '1', allowWatchBookmarks: 'true' }
  const silenceMs = (WATCH_SECONDS + 30) * 1000
  const limits = { signal: request.signal, silenceMs }
  try {
    const response = await sendAuthenticated(access, server, as, { ...request, method: 'GET', query }, limits)
    if (response.statusCode !== 200) {
      const { body } = await readAnswer(response, LIMITS.clusterAnswerBytesMax)
      yield { type: 'ERROR', object: { ...body, code: response.statusCode } }
      return
    }
    yield* watchLines(response.body, LIMITS.clusterAnswerBytesMax)
  } catch (error) {
    if (request.signal?.aborted !== true) throw error
  }
}
