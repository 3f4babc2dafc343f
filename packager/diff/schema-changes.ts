import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { isEqual } from './compare-fields.ts'

/** What changed in a CustomResourceDefinition, for who writes such objects. */
export type SchemaChange = {
  /** Of the definition; '' for what holds of all. */
  readonly version: string
  /** Of the field: `spec.items[].name`, `spec.labels.*`; '' for the version itself. */
  readonly path: string
  readonly change: SchemaChangeKind
  /** Objects that are valid and stored today can be refused, cut or not be served afterwards. */
  readonly breaking: boolean
  /** `integer → string`, in at most about 200 characters. */
  readonly detail?: string
}

export type SchemaChangeKind =
  | 'definition-removed'
  | 'scope-changed'
  | 'version-added'
  | 'version-removed'
  | 'version-served'
  | 'version-not-served'
  | 'storage-moved'
  | 'field-added'
  | 'field-removed'
  | 'type-changed'
  | 'newly-required'
  | 'no-longer-required'
  | 'values-taken'
  | 'values-added'
  | 'bound-tightened'
  | 'bound-loosened'
  | 'rule-added'
  | 'rule-changed'
  | 'rule-removed'
  | 'default-changed'
  | 'documentation'

/** A change in one schema, before it is known of which version. */
type Change = Omit<SchemaChange, 'version'>

/** What two schemas (`openAPIV3Schema`) differ in, field by field. What cannot be judged counts as breaking. */
export function compareSchemas(before: Json | undefined, after: Json | undefined, path = ''): readonly Change[] {
  if (isEqual(before, after)) return []
  const [old, now] = [mapOf(before), mapOf(after)]
  const words = [...new Set([...Object.keys(old), ...Object.keys(now)])]
  return words.flatMap((word) => compareWord(word, old, now, path))
}

function compareWord(word: string, old: JsonObject, now: JsonObject, path: string): readonly Change[] {
  const own = (map: JsonObject) => (Object.hasOwn(map, word) ? map[word] : undefined)
  const [a, b] = [own(old), own(now)]
  if (isEqual(a, b)) return []
  const detail = `${text(a)} → ${text(b)}`
  if (word === 'properties') return compareProperties(mapOf(a), mapOf(b), old, now, path)
  if (word === 'required') return compareRequired(listOf(a), listOf(b), now, path)
  if (word === 'enum') return compareEnum(a, b, path)
  if (word === 'items' && isJsonObject(a) && isJsonObject(b)) return compareSchemas(a, b, `${path}[]`)
  if (word === 'additionalProperties' && isJsonObject(a) && isJsonObject(b))
    return compareSchemas(a, b, path === '' ? '*' : `${path}.*`)
  if (word === 'type') return [{ path, change: 'type-changed', breaking: !(a === 'integer' && b === 'number'), detail }]
  if (word === 'default') return [{ path, change: 'default-changed', breaking: false, detail }]
  if (DOCUMENTATION.has(word)) return [{ path, change: 'documentation', breaking: false, detail: word }]
  const bound = BOUNDS.get(word)
  if (bound !== undefined && numeric(a) && numeric(b)) {
    const tightened = bound === 'upper' ? (b ?? Infinity) < (a ?? Infinity) : (b ?? -Infinity) > (a ?? -Infinity)
    const change = tightened ? 'bound-tightened' : 'bound-loosened'
    return [{ path, change, breaking: tightened, detail: `${word}: ${detail}` }]
  }
  const permits = PERMISSIONS.has(word)
  const change = isOff(a) ? 'rule-added' : isOff(b) ? 'rule-removed' : 'rule-changed'
  const breaking = permits ? isOff(b) : !isOff(b)
  return [{ path, change, breaking, detail: `${word}: ${detail}` }]
}

function compareProperties(a: JsonObject, b: JsonObject, old: JsonObject, now: JsonObject, path: string) {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
  return names.flatMap((name): readonly Change[] => {
    const at = fieldPath(path, name)
    if (!Object.hasOwn(b, name)) {
      const kept = now['x-kubernetes-preserve-unknown-fields'] === true
      return [{ path: at, change: 'field-removed', breaking: !kept }]
    }
    if (Object.hasOwn(a, name)) return compareSchemas(a[name], b[name], at)
    // What was kept as it came is now held against a schema.
    const loose = old['x-kubernetes-preserve-unknown-fields'] === true
    const { type } = mapOf(b[name])
    return [
      {
        path: at,
        change: 'field-added',
        breaking: loose,
        ...(typeof type === 'string' && { detail: type.slice(0, 20) }),
      },
    ]
  })
}

function compareRequired(a: readonly Json[], b: readonly Json[], now: JsonObject, path: string): readonly Change[] {
  const defaulted = (name: Json) => mapOf(mapOf(now.properties)[String(name)]).default !== undefined
  const [added, removed] = [without(b, a), without(a, b)]
  return [
    ...added.map((name): Change => {
      const at = fieldPath(path, String(name))
      return {
        path: at,
        change: 'newly-required',
        breaking: !defaulted(name),
        ...(defaulted(name) && { detail: 'it has a default' }),
      }
    }),
    ...removed.map(
      (name): Change => ({ path: fieldPath(path, String(name)), change: 'no-longer-required', breaking: false }),
    ),
  ]
}

function compareEnum(a: Json | undefined, b: Json | undefined, path: string): readonly Change[] {
  const [old, now] = [listOf(a), listOf(b)]
  const taken = b === undefined ? [] : a === undefined ? ['all others'] : without(old, now)
  const added = a === undefined ? [] : b === undefined ? ['all others'] : without(now, old)
  return [
    ...(taken.length === 0 ? [] : [{ path, change: 'values-taken' as const, breaking: true, detail: text(taken) }]),
    ...(added.length === 0 ? [] : [{ path, change: 'values-added' as const, breaking: false, detail: text(added) }]),
  ]
}

/** What of a list another has not. */
function without(list: readonly Json[], other: readonly Json[]): readonly Json[] {
  const there = new Set(other.map(canonicalJson))
  return list.filter((one) => !there.has(canonicalJson(one)))
}

const DOCUMENTATION = new Set(['description', 'title', 'example', 'externalDocs', '$schema', 'id'])
const BOUNDS: ReadonlyMap<string, 'upper' | 'lower'> = new Map(
  Object.entries({
    maximum: 'upper',
    maxLength: 'upper',
    maxItems: 'upper',
    maxProperties: 'upper',
    minimum: 'lower',
    minLength: 'lower',
    minItems: 'lower',
    minProperties: 'lower',
  } as const),
)
/** Words that allow more where they are there. */
const PERMISSIONS = new Set([
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'additionalProperties',
  'x-kubernetes-int-or-string',
])

const isOff = (value: Json | undefined) => value === undefined || value === false || value === null
const numeric = (value: Json | undefined): value is number | undefined =>
  value === undefined || typeof value === 'number'
const mapOf = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {})
const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])

function fieldPath(path: string, name: string): string {
  const step = /^[\w$-]+$/.test(name) ? name : `[${JSON.stringify(name)}]`
  return path === '' || step.startsWith('[') ? `${path}${step}` : `${path}.${step}`
}

const DETAIL_CHARS_MAX = 95

/** For one side of a detail. */
export function text(value: Json | undefined): string {
  const found = value === undefined ? '(none)' : typeof value === 'string' ? value : JSON.stringify(value)
  return found.length > DETAIL_CHARS_MAX ? `${found.slice(0, DETAIL_CHARS_MAX)}…` : found
}
