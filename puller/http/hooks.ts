import { isJsonObject, type Json, parseJson } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'
import type { Observer } from '../metrics/observation.ts'
import { HOOK_FORMS } from './hook-forms.ts'
import type { Asked, Reply } from './http.ts'

/** Answers `POST /hooks/<form>`. */
export type Hooks = (form: string, asked: Asked) => Promise<Reply>

export type HookParts = {
  /** Read anew for each request, so that it can be replaced. @throws where it cannot be read */
  readonly secret: () => Promise<string>
  /** Looks sooner at the Deliveries of these repositories (paths without a host); how many. Undefined: another replica does. */
  readonly lookSooner: (repositories: readonly string[]) => number | undefined
  readonly clock: Pick<Clock, 'nowMs'>
  readonly observe?: Observer
}

/** Requests that are taken in at once, and how many more in each second; guesses at the secret are bounded with them. */
const BURST = 50
const PER_SECOND = 5
export const HOOK_SECRET_CHARS_MIN = 16
const REPOSITORIES_MAX = 1_000

/**
 * What a registry says is taken for nothing but a reason to look sooner: which tag, which digest and who pushed it are not even read.
 * 401 without the secret, 400 for what is malformed, 429 for too many, 503 while this replica stands by.
 */
export function createHooks(parts: HookParts): Hooks {
  const { clock, observe } = parts
  let left = BURST
  let atMs = clock.nowMs()
  const hasRoom = (): boolean => {
    const nowMs = clock.nowMs()
    left = Math.min(BURST, left + (Math.max(0, nowMs - atMs) / 1000) * PER_SECOND)
    atMs = nowMs
    if (left < 1) return false
    left -= 1
    return true
  }
  return async (form, asked) => {
    const known = Object.hasOwn(HOOK_FORMS, form)
    const reply = known && !hasRoom() ? { status: 429, body: 'too many\n' } : await answer(parts, form, asked)
    observe?.({ kind: 'hook', form: known ? form : 'other', status: reply.status })
    return reply
  }
}

async function answer({ secret, lookSooner }: HookParts, form: string, asked: Asked): Promise<Reply> {
  const known = Object.hasOwn(HOOK_FORMS, form) ? HOOK_FORMS[form] : undefined
  if (known === undefined) return { status: 404, body: `forms: ${Object.keys(HOOK_FORMS).join(', ')}\n` }
  if (asked.method !== 'POST') return { status: 405, body: 'only POST\n' }
  const shared = await secret()
  if (shared.length < HOOK_SECRET_CHARS_MIN || !known.isAllowed(asked, shared))
    return { status: 401, body: 'the secret is missing or another one\n' }
  const body = jsonOf(asked.body)
  const named = isJsonObject(body) ? known.repositories(body, asked.headers) : undefined
  if (named === undefined) return { status: 400, body: `not of the form ${form}\n` }
  const repositories = [...new Set(named)].slice(0, REPOSITORIES_MAX)
  const count = lookSooner(repositories)
  return count === undefined
    ? { status: 503, body: 'this replica stands by\n' }
    : { status: 202, body: `${count} Deliveries are looked at sooner\n` }
}

function jsonOf(bytes: Uint8Array): Json | undefined {
  try {
    return parseJson('the body', bytes)
  } catch {
    return undefined
  }
}
