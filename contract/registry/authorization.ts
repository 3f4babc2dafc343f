import { z } from 'zod'
import { parseJson } from '../canonical-json.ts'
import { hasCode, WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import type { Connections } from './connections.ts'
import type { Credential, CredentialSource } from './credentials.ts'
import { type Answer, ask, dropBody, rateLimited, readBody, where } from './http.ts'

/** What a token is asked for: no more than what is to be done with it. */
export type Access = 'pull' | 'pull,push'

/** Answers a registry's challenges, and remembers the answers: a token for each repository and access. */
export type Authorizer = {
  /** The header to send without being asked, when one is known. */
  known(repository: Reference, access: Access): string | undefined
  /** Answers a 401; undefined when there is nothing (more) to offer. */
  answer(challenged: Challenged, signal: AbortSignal): Promise<string | undefined>
}

export type Challenged = {
  readonly repository: Reference
  readonly access: Access
  readonly from: URL
  /** `WWW-Authenticate`. */
  readonly header: string
}

const tokenSchema = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  expires_in: z.number().nullish(),
})

/** Seconds that a token lives when its answer does not say (distribution token specification). */
const LIFE_SECONDS = 60
const MARGIN_SECONDS = 10

export function createAuthorizer(connections: Connections, credentials: CredentialSource): Authorizer {
  const remembered = new Map<string, { readonly header: string; readonly until: number }>()
  const keyOf = ({ repository }: Reference, access: Access) => `${repository} ${access}`
  const fetchToken = async (
    challenge: Challenge,
    { repository, access, from }: Omit<Challenged, 'header'>,
    signal: AbortSignal,
  ) => {
    const realm = tokenRealm(challenge, from)
    const login = await credentials(repository.registry)
    if (login?.kind === 'registryToken') return { header: `Bearer ${login.token}`, seconds: Number.POSITIVE_INFINITY }
    const answer = await ask({
      ...tokenRequest(realm, challenge, { repository, access }, login),
      dispatcher: connections.toward(from, realm),
      signal,
    })
    if (answer.status !== 200) {
      await dropBody(answer)
      throw tokenError(answer, repository)
    }
    const { token, seconds } = parseToken(realm, await readBody(answer, LIMITS.registryAnswerBytesMax))
    return { header: `Bearer ${token}`, seconds }
  }
  return {
    known: (repository, access) => {
      const found = remembered.get(keyOf(repository, access))
      return found !== undefined && found.until > performance.now() ? found.header : undefined
    },
    answer: async (challenged, signal) => {
      const { repository, access } = challenged
      const challenges = parseChallenges(challenged.header)
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
      const basic = challenges.some(({ scheme }) => scheme === 'basic')
      const found =
        bearer !== undefined
          ? await fetchToken(bearer, challenged, signal)
          : basic
            ? basicHeader(await credentials(repository.registry))
            : undefined
      if (found === undefined) return undefined
      const until = performance.now() + found.seconds * 1000
      remembered.set(keyOf(repository, access), { header: found.header, until })
      return found.header
    },
  }
}

function basicHeader(login: Credential | undefined): { header: string; seconds: number } | undefined {
  if (login?.kind !== 'basic') return undefined
  return { header: basic(login.username, login.password), seconds: Number.POSITIVE_INFINITY }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}

/** Where tokens are given. A login is sent there: `toward` holds it to the rules of redirects. */
function tokenRealm({ parameters }: Challenge, from: URL): URL {
  if (!URL.canParse(parameters.realm ?? ''))
    throw new WaybillError('REGISTRY_ANSWER_INVALID', `${where(from)}: asks for a token but does not say where`)
  return new URL(parameters.realm ?? '')
}

function tokenRequest(
  realm: URL,
  { parameters }: Challenge,
  { repository: { path }, access }: Pick<Challenged, 'repository' | 'access'>,
  login: Credential | undefined,
): { method: 'GET' | 'POST'; url: URL; headers: Record<string, string>; body?: string } {
  // Ours, whatever the challenge asks for: reading this repository is all that a reader needs.
  const query = {
    scope: `repository:${path}:${access}`,
    ...(parameters.service ? { service: parameters.service } : {}),
  }
  if (login?.kind === 'identityToken') {
    const form = { grant_type: 'refresh_token', client_id: 'waybill', refresh_token: login.token, ...query }
    return {
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    }
  }
  const url = new URL(realm)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  const headers: Record<string, string> =
    login?.kind === 'basic' ? { authorization: basic(login.username, login.password) } : {}
  return { method: 'GET', url, headers }
}

function tokenError({ status, url: realm, headers }: Answer, { repository }: Reference): WaybillError {
  if (status === 429) return rateLimited({ url: realm, headers })
  if (status >= 500) return new WaybillError('REGISTRY_FAILED', `${where(realm)}: answers ${status}`)
  if (status >= 300 && status < 400)
    return new WaybillError('REGISTRY_REDIRECT', `${where(realm)}: sends logins elsewhere (${status})`)
  return new WaybillError('REGISTRY_AUTH', `${repository}: ${where(realm)} gives no token (${status})`)
}

function parseToken(realm: URL, bytes: Uint8Array): { readonly token: string; readonly seconds: number } {
  try {
    const { token, access_token, expires_in } = tokenSchema.parse(parseJson('the token answer', bytes))
    // Harbor leaves access_token empty.
    const found = access_token || token || ''
    // A token goes into a header: no line ends, no spaces.
    if (/^[\x21-\x7e]+$/.test(found))
      return { token: found, seconds: Math.max(0, Math.min(expires_in ?? LIFE_SECONDS, 3600) - MARGIN_SECONDS) }
  } catch (error) {
    if (!hasCode(error, 'ARTIFACT_INVALID') && !(error instanceof z.ZodError)) throw error
  }
  throw new WaybillError('REGISTRY_ANSWER_INVALID', `${where(realm)}: what it gives is not a token`)
}
