import { createHash } from 'node:crypto'
import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'

/**
 * The digest in Chart.lock, as helm computes it (v4.3.1, internal/resolver, HashReq): sha256 over Go's JSON of what Chart.yaml asks for
 * and of what it was resolved to.
 */
export function lockDigest(required: readonly JsonObject[], locked: readonly JsonObject[]): string {
  return digestOf([required.map(ordered), locked.map(ordered)])
}

/** The same for a lock that Helm 2 wrote (HashV2Req). */
export function lockDigestV2(required: readonly JsonObject[]): string {
  return digestOf({ dependencies: required.map(ordered) })
}

/** Fields of Go's `chart.Dependency` in their order; those that are left out when empty. */
const FIELDS = ['name', 'version', 'repository', 'condition', 'tags', 'enabled', 'import-values', 'alias'] as const
const ALWAYS: readonly string[] = ['name', 'repository']

function ordered(dependency: JsonObject): JsonObject {
  const entries = FIELDS.flatMap((field): [string, Json][] => {
    const value = dependency[field]
    if (ALWAYS.includes(field)) return [[field, String(value ?? '')]]
    if (field === 'version' && typeof value === 'number') return [[field, String(value)]]
    const empty = !value || (Array.isArray(value) && value.length === 0)
    return empty ? [] : [[field, sorted(value)]]
  })
  return Object.fromEntries(entries)
}

/** Go writes a map's keys in order. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => sorted(item))
  if (!isJsonObject(value)) return value
  const keys = Object.keys(value).sort()
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key] ?? null)]))
}

function digestOf(value: unknown): string {
  const escaped = JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `sha256:${createHash('sha256').update(escaped).digest('hex')}`
}
