import { WaybillError } from './errors.ts'

/** What a login left for one registry. `identityToken` is an OAuth2 refresh token. Never logged. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identityToken'; readonly token: string }
  | { readonly kind: 'registryToken'; readonly token: string }

/** Finds the login for a registry (`host[:port]`); undefined means anonymous. */
export type CredentialSource = (registry: string) => Promise<Credential | undefined>

export const anonymous: CredentialSource = async () => undefined

/**
 * Logins in a `.dockerconfigjson` (a pull secret's bytes). Helpers that it names are not run.
 * @throws WaybillError SECRET_INVALID; the message never holds a value
 */
export function dockerConfigCredentials(_bytes: Uint8Array): CredentialSource {
  throw new WaybillError('INTERNAL', 'not built yet')
}

/** Where logins may be: paths in the order in which they are asked. */
export type LoginFiles = {
  /** `--registry-config`: when given, the only one. */
  readonly registryConfig?: string
  /** `$DOCKER_CONFIG`, else `~/.docker`. */
  readonly dockerConfigDir?: string
  /** `$PATH`, to find `docker-credential-*`. */
  readonly path?: string
}

/** Logins that `oras login` and `docker login` left (auths, credHelpers, credsStore). Files are read at the first question. */
export function loginCredentials(_files: LoginFiles): CredentialSource {
  throw new WaybillError('INTERNAL', 'not built yet')
}
