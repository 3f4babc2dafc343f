import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { rootCertificates } from 'node:tls'
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici'
import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { nearnessOfAddress, nearnessOfHost } from './address.ts'
import { where } from './http.ts'

export type ConnectionOptions = {
  /** PEM certificates that are trusted in addition to Node's own. */
  readonly ca?: string
  /** Values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
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
  const tls = ca === undefined ? {} : { ca: [...rootCertificates, ca] }
  const pool = (connect: object): Dispatcher => {
    const options = {
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      connect: { timeout: idleMs, ...tls, ...connect },
      maxHeaderSize: 64 * 1024,
    }
    if (proxy?.http === undefined && proxy?.https === undefined) return new Agent(options)
    return new EnvHttpProxyAgent({
      ...options,
      requestTls: tls,
      // An empty string keeps undici from reading the process's own environment.
      httpProxy: proxy.http ?? '',
      httpsProxy: proxy.https ?? '',
      noProxy: proxy.no ?? '',
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
      await Promise.all([registry.destroy(), outward.destroy()])
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
