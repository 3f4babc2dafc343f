import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { KubeConfig } from '@kubernetes/client-node'
import { Agent, type buildConnector, type Dispatcher, ProxyAgent } from 'undici'
import { WaybillError } from '../../contract/errors.ts'
import type { Observer } from '../metrics/observation.ts'

/** What a request needs besides itself. */
export type CurrentAccess = { readonly dispatcher: Dispatcher; readonly headers: Readonly<Record<string, string>> }

export interface ClusterAccess {
  /** @throws WaybillError CLUSTER_AUTH, CLUSTER_CONFIG when credentials cannot be had */
  current(): Promise<CurrentAccess>
  /** Asks the kubeconfig again before the next request. */
  renew(): void
  readonly observe?: Observer | undefined
  /** Requests made as an account say for which Delivery: the API server takes that from whoever may impersonate it. */
  readonly namesDeliveries?: boolean
}

/** Who says which credentials to use now: a kubeconfig, or a mounted account. */
export type Credentials = Pick<KubeConfig, 'applyToHTTPSOptions' | 'getCurrentUser' | 'getCurrentCluster'>

const FRESH_MS = 10_000
const CONNECT_MS = 10_000
const CLOSE_MS = 1_000

/**
 * Credentials and connections from a kubeconfig. Files, mounted tokens and exec plug-ins are asked again every ten seconds
 * (each has a cache of its own); a new pool of connections is opened only where the TLS material changed.
 */
export class Access implements ClusterAccess {
  readonly #config: Credentials
  #pending: Promise<CurrentAccess> | undefined
  #until = 0
  #dispatcher: { readonly key: string; readonly pool: Dispatcher } | undefined

  readonly observe: Observer | undefined
  readonly namesDeliveries: boolean

  constructor(config: Credentials, options: Pick<ClusterAccess, 'observe' | 'namesDeliveries'> = {}) {
    this.#config = config
    this.observe = options.observe
    this.namesDeliveries = options.namesDeliveries ?? false
  }

  current(): Promise<CurrentAccess> {
    if (this.#pending === undefined || Date.now() > this.#until) {
      this.#until = Date.now() + FRESH_MS
      this.#pending = this.#load().catch((error: unknown) => {
        this.renew()
        throw error
      })
    }
    return this.#pending
  }

  renew(): void {
    this.#pending = undefined
  }

  /** Lets what is in flight end, for a second; watches that nobody ended are cut. */
  async close(): Promise<void> {
    const pool = this.#dispatcher?.pool
    if (pool === undefined) return
    const ended = pool.close().then(() => true)
    const late = new Promise<false>((resolve) => setTimeout(resolve, CLOSE_MS, false).unref())
    if (!(await Promise.race([ended, late]))) await pool.destroy()
  }

  async #load(): Promise<CurrentAccess> {
    const options: RequestOptions = {}
    try {
      await this.#config.applyToHTTPSOptions(options)
    } catch (cause) {
      throw new WaybillError('CLUSTER_AUTH', 'the kubeconfig’s credentials cannot be read, or its plug-in failed', {
        cause,
      })
    }
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(options.headers ?? {}))
      if (typeof value === 'string') headers[name] = value
    if (typeof options.auth === 'string')
      headers.Authorization = `Basic ${Buffer.from(options.auth, 'utf8').toString('base64')}`
    const tokenFile: unknown = this.#config.getCurrentUser()?.authProvider?.config?.tokenFile
    if (typeof tokenFile === 'string') headers.Authorization = `Bearer ${await readToken(tokenFile)}`
    return { dispatcher: this.#pool(options), headers }
  }

  #pool(options: RequestOptions): Dispatcher {
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = options
    const tls = Object.fromEntries(
      Object.entries({ ca, cert, key, pfx, passphrase, rejectUnauthorized, servername }).filter(
        ([, v]) => v !== undefined,
      ),
    )
    const proxy = this.#config.getCurrentCluster()?.proxyUrl
    const id = JSON.stringify([proxy, tls])
    if (this.#dispatcher?.key === id) return this.#dispatcher.pool
    const old = this.#dispatcher?.pool
    this.#dispatcher = { key: id, pool: openPool(proxy, tls) }
    // What is in flight on the old pool may end.
    old?.close().catch(() => undefined)
    return this.#dispatcher.pool
  }
}

/** The library keeps a mounted token for a minute, also when the server no longer takes it. */
async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (cause) {
    throw new WaybillError('CLUSTER_AUTH', `the token of the service account, ${path}, cannot be read`, { cause })
  }
}

type TlsOptions = Pick<
  RequestOptions,
  'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'rejectUnauthorized' | 'servername'
>

function openPool(proxy: string | undefined, tls: TlsOptions): Dispatcher {
  // HTTP/1.1: undici's HTTP/2 leaves streams of aborted watches behind, which later take the process down.
  const connect = {
    ...tls,
    ...contextOf(tls),
    allowH2: false,
    timeout: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  }
  if (proxy === undefined || proxy === '') return new Agent({ connect, allowH2: false, keepAliveTimeout: 30_000 })
  if (!/^https?:/.test(proxy))
    throw new WaybillError('CLUSTER_CONFIG', 'the kubeconfig names a proxy that is neither http nor https')
  return new ProxyAgent({ uri: proxy, requestTls: connect, allowH2: false })
}

/** Made once, not again for the connection of each watch. What cannot be read is told by whoever connects. */
function contextOf(tls: TlsOptions): buildConnector.BuildOptions {
  try {
    return { secureContext: createSecureContext(tls) }
  } catch {
    return {}
  }
}
