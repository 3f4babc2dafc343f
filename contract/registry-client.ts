import type { CredentialSource } from './credentials.ts'
import { WaybillError } from './errors.ts'
import type { Reference } from './reference.ts'
import type { RegistryReader } from './registry.ts'

export type RegistryReaderOptions = {
  /** Speak HTTP. Off by default, for loopback too. */
  readonly plainHttp?: boolean
  /** PEM certificates that are trusted in addition to Node's own. */
  readonly ca?: string
  readonly credentials?: CredentialSource
  /** Values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly proxy?: { readonly http?: string; readonly https?: string; readonly no?: string }
  /** Default: LIMITS.registryIdleMs and registryRequestMs. */
  readonly idleMs?: number
  readonly requestMs?: number
}

export type RegistryConnection = RegistryReader & {
  /** All tags, by pages. */
  listTags(repository: Reference): Promise<readonly string[]>
  close(): Promise<void>
}

/** A reader over one pool of kept-alive connections. Nothing is opened before the first call. */
export function createRegistryReader(_options: RegistryReaderOptions = {}): RegistryConnection {
  throw new WaybillError('INTERNAL', 'not built yet')
}
