import { z } from 'zod'
import { parseJson } from '../canonical-json.ts'
import { WaybillError } from '../errors.ts'
import { isLoginTo } from './docker-hub.ts'

/** What a login left for one registry. `identityToken` is an OAuth2 refresh token. Never logged. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identityToken'; readonly token: string }
  | { readonly kind: 'registryToken'; readonly token: string }

/** Finds the login for a registry (`host[:port]`); undefined means anonymous. */
export type CredentialSource = (registry: string) => Promise<Credential | undefined>

export const anonymous: CredentialSource = async () => undefined

const authSchema = z.object({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
})
const configSchema = z.object({
  auths: z.record(z.string(), authSchema).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
})

/** A Docker `config.json`, as far as logins go. */
export type DockerConfig = z.infer<typeof configSchema>

/** @throws WaybillError SECRET_INVALID naming `what`; the message never holds a value */
export function parseDockerConfig(what: string, bytes: Uint8Array): DockerConfig {
  try {
    return configSchema.parse(parseJson(what, bytes))
  } catch {
    // No cause: what cannot be parsed may be quoted in it.
    throw new WaybillError('SECRET_INVALID', `${what}: not a Docker config.json`)
  }
}

/**
 * Logins in a `.dockerconfigjson` (a pull secret's bytes). Helpers that it names are not run.
 * @throws WaybillError SECRET_INVALID; the message never holds a value
 */
export function dockerConfigCredentials(bytes: Uint8Array): CredentialSource {
  const config = parseDockerConfig('the pull secret', bytes)
  return async (registry) => storedCredential(config, registry)
}

/** The login that the file itself holds. An entry that cannot be read is no login. */
export function storedCredential({ auths }: DockerConfig, registry: string): Credential | undefined {
  const entry = Object.entries(auths ?? {}).find(([name]) => isLoginTo(hostOf(name), registry))?.[1]
  if (entry === undefined) return undefined
  if (entry.registrytoken) return { kind: 'registryToken', token: entry.registrytoken }
  if (entry.identitytoken) return { kind: 'identityToken', token: entry.identitytoken }
  const pair = Buffer.from(entry.auth ?? '', 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon > 0) return { kind: 'basic', username: pair.slice(0, colon), password: pair.slice(colon + 1) }
  if (entry.username && entry.password !== undefined)
    return { kind: 'basic', username: entry.username, password: entry.password }
  return undefined
}

/** The helper program's name (without `docker-credential-`) that the file says to ask about a registry. */
export function helperFor({ credHelpers, credsStore }: DockerConfig, registry: string): string | undefined {
  const own = Object.entries(credHelpers ?? {}).find(([name]) => isLoginTo(hostOf(name), registry))?.[1]
  const found = own ?? credsStore ?? undefined
  return found !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(found) ? found : undefined
}

/** Keys are hosts; older ones are URLs, and pull secrets may add a path. */
function hostOf(name: string): string {
  return (
    name
      .replace(/^https?:\/\//, '')
      .split('/')[0]
      ?.toLowerCase() ?? ''
  )
}
