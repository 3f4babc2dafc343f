import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, ProxyAgent } from 'undici'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { nearnessOfAddress, nearnessOfHost } from './address.ts'
import { where } from './http.ts'
import { bypassesProxy } from './no-proxy.ts'

export type ConnectionOptions = {
  /** PEM certificates that are trusted in addition to Node's own. */
  readonly ca?: string
  /** Values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY; the environment itself is not read. */
  readonly proxy?: { readonly http?: string; readonly https?: string; readonly no?: string }
  readonly idleMs?: number
}

export type Connections = {
  /** For the registry that was asked for. */
  readonly registry: Dispatcher
  /**
   * For a place that the registry at `from` sends readers to. A registry on the network cannot send them to this machine,
   * and none to link-local or metadata addresses, or from TLS to plain HTTP.
   * @throws WaybillError REGISTRY_REDIRECT
   */
  toward(from: URL, to: URL): Dispatcher
  close(): Promise<void>
}

/** Nothing connects before the first request. */
export function createConnections({ ca, proxy, idleMs = LIMITS.registryIdleMs }: ConnectionOptions): Connections {
  const tls = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }
  const opened: Dispatcher[] = []
  const pool = (connect: object): Dispatcher => {
    const options = {
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      connect: { timeout: idleMs, ...tls, ...connect },
      maxHeaderSize: 64 * 1024,
    }
    const direct = new Agent(options)
    opened.push(direct)
    // Who goes through a proxy connects to it alone; names are looked up there.
    const through = (uri: string | undefined) => {
      if (uri === undefined) return undefined
      const agent = new ProxyAgent({ ...options, connect: { timeout: idleMs }, uri, requestTls: tls, proxyTls: tls })
      opened.push(agent)
      return agent
    }
    const agents = { http: through(proxy?.http), https: through(proxy?.https) }
    if (agents.http === undefined && agents.https === undefined) return direct
    return direct.compose((dispatch) => (request, handler) => {
      const url = new URL(String(request.origin))
      const agent = url.protocol === 'https:' ? agents.https : agents.http
      if (agent === undefined || bypassesProxy(proxy?.no ?? '', url)) return dispatch(request, handler)
      return agent.dispatch(request, handler)
    })
  }
  const registry = pool({})
  const outward = pool({ lookup: outwardLookup })
  return {
    registry,
    toward: (from, to) => {
      if (to.origin === from.origin) return registry
      const near = nearnessOfHost(to.hostname)
      const refuse = (why: string): never => {
        throw new WaybillError('REGISTRY_REDIRECT', `${where(from)}: sends readers to ${to.origin}, ${why}`)
      }
      if (to.protocol !== 'https:' && to.protocol !== from.protocol) refuse('without TLS')
      if (to.username !== '' || to.password !== '') refuse('with a login in the address')
      if (near === 'link-local') refuse('a link-local address')
      if (nearnessOfHost(from.hostname) === 'loopback') return registry
      return near === 'loopback' ? refuse('which is this machine') : outward
    },
    close: async () => {
      await Promise.all(opened.map((dispatcher) => dispatcher.destroy()))
    },
  }
}

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void

/** DNS, minus inward addresses: checked here, at connecting, so that a second answer of DNS cannot get round it. */
function outwardLookup(hostname: string, options: LookupOptions, done: LookupDone): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return done(error, [])
    const allowed = addresses.filter(({ address }) => nearnessOfAddress(address) === 'network')
    const [first] = allowed
    if (first === undefined)
      return done(
        new WaybillError('REGISTRY_REDIRECT', `${hostname}: is an address of this machine or network link`),
        [],
      )
    if (options.all === true) return done(null, allowed)
    done(null, first.address, first.family)
  })
}
