import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { FieldPath, Step } from '../plan/managed-fields.ts'

/** The path that `pathText` (puller/plan/managed-fields.ts) wrote; undefined for one that was cut, or that it did not write. Pure. */
export function parsePathText(text: string): FieldPath | undefined {
  const steps: Step[] = []
  for (let at = 0; at < text.length; ) {
    const plain = /^\.?([A-Za-z_][\w-]*)/.exec(text.slice(at))
    const bracket = plain === null ? bracketAt(text, at) : undefined
    if (plain !== null) {
      steps.push({ field: plain[1] ?? '' })
      at += plain[0].length
    } else if (bracket !== undefined) {
      steps.push(bracket.step)
      at = bracket.end
    } else return undefined
  }
  return steps.length === 0 ? undefined : steps
}

/** `["tls.crt"]`, `[name="app",port=80]` */
function bracketAt(text: string, start: number): { readonly step: Step; readonly end: number } | undefined {
  if (text[start] !== '[') return undefined
  const keys: [string, Json][] = []
  let at = start + 1
  for (;;) {
    const key = /^([A-Za-z_][\w-]*)=/.exec(text.slice(at))
    if (key !== null) at += key[0].length
    const scalar = /^(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)/.exec(text.slice(at))?.[0]
    if (scalar === undefined) return undefined
    at += scalar.length
    const value = parseScalar(scalar)
    const end = text[at]
    if (key === null)
      return end === ']' && typeof value === 'string' ? { step: { field: value }, end: at + 1 } : undefined
    if (value === undefined) return undefined
    keys.push([key[1] ?? '', value])
    if (end === ']') return { step: { keys: Object.fromEntries(keys) }, end: at + 1 }
    if (end !== ',') return undefined
    at += 1
  }
}

function parseScalar(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value === null || ['string', 'number', 'boolean'].includes(typeof value) ? (value as Json) : undefined
  } catch {
    return undefined
  }
}

/** True for an item of a list with these keys. */
export function hasKeys(item: Json, keys: Readonly<Record<string, Json | undefined>>): boolean {
  return isJsonObject(item) && Object.entries(keys).every(([key, value]) => item[key] === value)
}
