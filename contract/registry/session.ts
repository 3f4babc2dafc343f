import { WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { type Access, createAuthorizer } from './authorization.ts'
import { type ConnectionOptions, createConnections } from './connections.ts'
import type { CredentialSource } from './credentials.ts'
import { apiHost } from './docker-hub.ts'
import { type Answer, type Ask, ask, dropBody, rateLimited, where } from './http.ts'

export type SessionOptions = ConnectionOptions & {
  /** Speak HTTP. Off by default, for loopback too. */
  readonly plainHttp?: boolean
  readonly credentials?: CredentialSource
  /** A whole request, headers to last byte; default LIMITS.registryRequestMs. */
  readonly requestMs?: number
}

export type RegistryRequest = {
  readonly repository: Reference
  readonly method: 'GET' | 'HEAD'
  /** Below `/v2/<name>/`, or a whole URL on the same origin (from a `Link` header). */
  readonly path: string
  readonly accept?: string
  /** Only blobs may be elsewhere. */
  readonly redirects?: 'follow' | 'refuse'
  /** Ends the request, head or body, as soon as nobody waits for it any more. */
  readonly signal?: AbortSignal
}

/** A request that writes. Nothing is redirected. */
export type RegistryWrite = {
  readonly repository: Reference
  readonly method: 'HEAD' | 'POST' | 'PUT'
  /** Below `/v2/<name>/`, or, for PUT, the whole URL that the registry gave; another origin is sent no login. */
  readonly path: string
  readonly body?: Uint8Array
}

/** Requests to registries with logins, tokens and redirects done. */
export type RegistrySession = {
  /**
   * An answer with status 200. The caller reads or drops its body.
   * @throws WaybillError REGISTRY_AUTH, REGISTRY_NOT_FOUND, REGISTRY_RATE_LIMITED, REGISTRY_FAILED, REGISTRY_REDIRECT,
   * REGISTRY_UNREACHABLE, REGISTRY_ANSWER_INVALID
   */
  request(request: RegistryRequest): Promise<Answer>
  /**
   * An answer of whatever status. The caller reads or drops its body.
   * @throws WaybillError REGISTRY_AUTH, REGISTRY_RATE_LIMITED, REGISTRY_FAILED (by who gives tokens), REGISTRY_REDIRECT, REGISTRY_UNREACHABLE,
   * REGISTRY_ANSWER_INVALID
   */
  write(request: RegistryWrite): Promise<Answer>
  close(): Promise<void>
}

const redirectStatuses = [301, 302, 303, 307, 308]

export function createSession(options: SessionOptions): RegistrySession {
  const connections = createConnections(options)
  const authorizer = createAuthorizer(connections, options.credentials ?? (async () => undefined))
  const requestMs = options.requestMs ?? LIMITS.registryRequestMs
  const base = (repository: Reference) =>
    new URL(`${options.plainHttp === true ? 'http' : 'https'}://${apiHost(repository.registry)}/v2/${repository.path}/`)

  /** Asks the registry itself, with a login where it wants one. */
  const authorized = async (
    repository: Reference,
    access: Access,
    request: Omit<Ask, 'dispatcher'>,
  ): Promise<Answer> => {
    const send = (authorization: string | undefined) =>
      ask({
        ...request,
        headers: { ...request.headers, ...(authorization === undefined ? {} : { authorization }) },
        dispatcher: connections.registry,
      })
    const known = authorizer.known(repository, access)
    const first = await send(known)
    if (first.status !== 401) return first
    await dropBody(first)
    const { url, signal } = request
    const challenged = { repository, access, from: url, header: first.headers['www-authenticate'] ?? '' }
    const header = await authorizer.answer(challenged, signal)
    return header === undefined || header === known ? first : send(header)
  }

  const read = ({ repository, method, path, accept }: RegistryRequest, signal: AbortSignal): Promise<Answer> => {
    const url = new URL(path, base(repository))
    if (url.origin !== base(repository).origin)
      throw new WaybillError('REGISTRY_REDIRECT', `${repository.repository}: goes on at ${url.origin}`)
    return authorized(repository, 'pull', {
      method,
      url,
      signal,
      ...(accept === undefined ? {} : { headers: { accept } }),
    })
  }

  /** Follows redirects away from an answer, with no login: it was meant for the registry alone. */
  const followed = async (first: Answer, { method, accept }: RegistryRequest, signal: AbortSignal): Promise<Answer> => {
    let answer = first
    for (let hop = 0; redirectStatuses.includes(answer.status); hop++) {
      await dropBody(answer)
      const { location } = answer.headers
      if (location === undefined || !URL.canParse(location, answer.url.href))
        throw new WaybillError('REGISTRY_ANSWER_INVALID', `${where(answer.url)}: redirects to no place`)
      if (hop === LIMITS.registryRedirectsMax)
        throw new WaybillError('REGISTRY_REDIRECT', `${where(first.url)}: redirects more than ${hop} times`)
      const url = new URL(location, answer.url)
      // Judged from the registry, not from the last hop: what it may not do in one step it may not do in two.
      const dispatcher = connections.toward(first.url, url)
      answer = await ask({ method, url, dispatcher, signal, ...(accept === undefined ? {} : { headers: { accept } }) })
    }
    return answer
  }

  return {
    request: async (request) => {
      const time = AbortSignal.timeout(requestMs)
      const signal = request.signal === undefined ? time : AbortSignal.any([time, request.signal])
      const direct = await read(request, signal)
      const answer = request.redirects === 'follow' ? await followed(direct, request, signal) : direct
      if (answer.status === 200) return answer
      await dropBody(answer)
      throw statusError(answer, request.repository)
    },
    write: async ({ repository, method, path, body }) => {
      const own = base(repository)
      const url = new URL(path, own)
      const sent: Omit<Ask, 'dispatcher'> = {
        method,
        url,
        signal: AbortSignal.timeout(requestMs),
        ...(body === undefined
          ? {}
          : { body, headers: { 'content-type': 'application/octet-stream' }, answerMs: requestMs }),
      }
      if (url.origin === own.origin) return authorized(repository, 'pull,push', sent)
      return ask({ ...sent, dispatcher: connections.toward(own, url) })
    },
    close: () => connections.close(),
  }
}

/** What an answer means that is not the one hoped for. */
export function statusError({ status, url, headers }: Omit<Answer, 'body'>, { repository }: Reference): WaybillError {
  const at = where(url)
  if (status === 401 || status === 403)
    return new WaybillError('REGISTRY_AUTH', `${repository}: ${at} answers ${status}`)
  if (status === 404) return new WaybillError('REGISTRY_NOT_FOUND', `${at}: answers 404`)
  if (status === 429) return rateLimited({ url, headers })
  if (status >= 500) return new WaybillError('REGISTRY_FAILED', `${at}: answers ${status}`)
  if (redirectStatuses.includes(status))
    return new WaybillError('REGISTRY_REDIRECT', `${at}: redirects, which only blobs may`)
  return new WaybillError('REGISTRY_ANSWER_INVALID', `${at}: answers ${status}`)
}
