import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { ClusterAnswer } from './cluster-port.ts'

/** One cause of a refusal, as far as it may be repeated: a field's path and a reason word. */
export type Cause = { readonly field: string; readonly reason: string; readonly immutable: boolean }

const CAUSES_LISTED_MAX = 8

/**
 * What may be said of an answer of the API server: its status, reason, the kind and name that it speaks of, and the fields
 * and reasons of its causes. Never its message: that repeats what was sent, Secret values included.
 */
export function answerReason(answer: ClusterAnswer): string {
  const { reason, details } = answer.body
  const about = isJsonObject(details)
    ? [word(details.kind), word(details.name)].filter((text) => text !== '').join(' ')
    : ''
  const causes = [...new Set(causesOf(answer).map(sayCause))]
  const more = causes.length > CAUSES_LISTED_MAX ? `, and ${causes.length - CAUSES_LISTED_MAX} more` : ''
  const listed = causes.length === 0 ? '' : `: ${causes.slice(0, CAUSES_LISTED_MAX).join(', ')}${more}`
  return `the API server answered ${answer.status}${word(reason) === '' ? '' : ` ${word(reason)}`}${about === '' ? '' : ` (${about})`}${listed}`
}

function sayCause({ field, reason }: Cause): string {
  return [field, reason].filter((text) => text !== '').join(' ')
}

/**
 * The causes of a refusal. `immutable` rests on the one thing that the server offers for it, the fixed end of its validation
 * message ("field is immutable"); the message goes no further.
 */
export function causesOf({ body }: ClusterAnswer): readonly Cause[] {
  const causes = isJsonObject(body.details) && Array.isArray(body.details.causes) ? body.details.causes : []
  return causes.filter(isJsonObject).map(({ field, reason, message }) => ({
    field: fieldPath(field),
    reason: word(reason),
    immutable:
      typeof message === 'string' &&
      /\bfield is immutable\b|\bis immutable after creation\b|\bupdates to \w+ spec\b/.test(message),
  }))
}

/** A word or name of the API's: nothing that could be a value of any length. */
function word(value: Json | undefined): string {
  return typeof value === 'string' && /^[\w.:/-]{1,253}$/.test(value) ? value : ''
}

/** A path such as `spec.containers[0].image`; what stands in brackets is kept only where it is a number or a short key. */
function fieldPath(value: Json | undefined): string {
  if (typeof value !== 'string' || value === '<nil>') return ''
  const path = value.replace(/\[([^\]]*)\]/g, (_, key: string) => (/^[\w.:/-]{1,253}$/.test(key) ? `[${key}]` : '[…]'))
  return /^[\w.[\]:/…-]{1,512}$/.test(path) ? path : ''
}
