import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { Asked } from './http.ts'

/** How one registry tells of what was pushed to it. */
export type HookForm = {
  /** Whether the sender knows the secret; in a time that does not depend on how much of it he has right. */
  readonly isAllowed: (asked: Pick<Asked, 'headers' | 'body'>, secret: string) => boolean
  /** The repositories that it names, without a host; undefined where the body is not of this form. */
  readonly repositories: (body: JsonObject, headers: Asked['headers']) => readonly string[] | undefined
}

/** By the last part of the path: `POST /hooks/harbor`. */
export const HOOK_FORMS: Readonly<Record<string, HookForm>> = {
  /** CNCF Distribution 2 and 3: notifications.endpoints, with a header `Authorization`. */
  distribution: {
    isAllowed: byAuthorization,
    repositories: ({ events }) => {
      if (!Array.isArray(events)) return undefined
      return events
        .filter((event) => !isPull(event, 'action'))
        .flatMap((event) => textsAt(event, ['target', 'repository']))
    },
  },
  /** Harbor 2: both payload formats; its “Auth Header” is sent as it is. */
  harbor: {
    isAllowed: byAuthorization,
    repositories: (body) => {
      const inner = isJsonObject(body.event_data) ? body.event_data : body.data
      if (!isJsonObject(inner)) return undefined
      return isPull(body, 'type') ? [] : textsAt(inner, ['repository', 'repo_full_name'])
    },
  },
  /** GitHub: events `registry_package` and `package` of ghcr.io. */
  github: {
    isAllowed: ({ headers, body }, secret) => {
      const sent = headers['x-hub-signature-256'] ?? ''
      return isSame(sent, `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
    },
    repositories: (body, headers) => {
      if (headers['x-github-event'] === 'ping') return []
      const one = isJsonObject(body.registry_package) ? body.registry_package : body.package
      if (!isJsonObject(one) || typeof one.name !== 'string') return undefined
      const { name } = one
      // Either may be the account; a name may hold the account already.
      const owners = [...textsAt(one, ['namespace']), ...textsAt(one, ['owner', 'login'])]
      return [...new Set([name, ...owners.map((owner) => `${owner}/${name}`)])].map((path) => path.toLowerCase())
    },
  },
  /** zot 2.1: CloudEvents, binary (the body is the data) or structured. */
  zot: {
    isAllowed: byAuthorization,
    repositories: (body) => {
      const data = isJsonObject(body.data) ? body.data : body
      return typeof data.name === 'string' ? [data.name] : undefined
    },
  },
}

/** `Authorization: SECRET`, `Bearer SECRET`, or `Basic` with the secret as the password. */
function byAuthorization({ headers }: Pick<Asked, 'headers'>, secret: string): boolean {
  const sent = headers.authorization ?? ''
  const [, basic] = /^basic\s+(\S+)$/i.exec(sent) ?? []
  if (basic !== undefined) {
    const login = Buffer.from(basic, 'base64').toString('utf8')
    return isSame(login.slice(login.indexOf(':') + 1), secret)
  }
  return isSame(sent.replace(/^bearer\s+/i, ''), secret)
}

/** Hashed first, so that lengths do not show either. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [a, b].map((text) => createHash('sha256').update(text).digest())
  return one !== undefined && other !== undefined && timingSafeEqual(one, other)
}

/** Reading is told too, our own looks among it: to look for that would never end. */
function isPull(event: Json | undefined, field: string): boolean {
  return isJsonObject(event) && /pull/i.test(String(event[field] ?? ''))
}

function textsAt(value: Json | undefined, path: readonly string[]): readonly string[] {
  const found = path.reduce<Json | undefined>((at, name) => (isJsonObject(at) ? at[name] : undefined), value)
  return typeof found === 'string' ? [found] : []
}
