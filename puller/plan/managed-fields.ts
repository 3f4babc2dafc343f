import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** One entry of metadata.managedFields. `fields` is fieldsV1 as it came. */
export type ManagedEntry = {
  readonly manager: string
  readonly operation: string
  readonly apiVersion: string
  readonly subresource: string
  readonly time: string | undefined
  readonly fields: JsonObject
}

/** A step of a field's path: a field, an item of a list by its keys, or something of a set or atomic list. */
export type Step =
  | { readonly field: string }
  | { readonly keys: Readonly<Record<string, Json | undefined>> }
  | { readonly item: string }
export type FieldPath = readonly Step[]

/** Entries whose shape we do not know are left out. */
export function managedEntries(object: JsonObject): readonly ManagedEntry[] {
  const { metadata } = object
  const listed = isJsonObject(metadata) && Array.isArray(metadata.managedFields) ? metadata.managedFields : []
  return listed.filter(isJsonObject).map(({ manager, operation, apiVersion, subresource, time, fieldsV1 }) => ({
    manager: typeof manager === 'string' ? manager : '',
    operation: typeof operation === 'string' ? operation : '',
    apiVersion: typeof apiVersion === 'string' ? apiVersion : '',
    subresource: typeof subresource === 'string' ? subresource : '',
    time: typeof time === 'string' ? time : undefined,
    fields: isJsonObject(fieldsV1) ? fieldsV1 : {},
  }))
}

/** The entry of server-side applies by this manager to the object itself. */
export function appliedEntry(object: JsonObject, manager: string): ManagedEntry | undefined {
  return managedEntries(object).find(
    (entry) => entry.manager === manager && entry.operation === 'Apply' && entry.subresource === '',
  )
}

/**
 * The paths that an entry holds, by their text; a map or list item that is held itself (`.`) counts where nothing inside it is.
 * Format: structured-merge-diff's FieldsV1 (`f:` field, `k:` keys, `v:` value, `i:` index).
 */
export function heldPaths(fields: JsonObject): ReadonlyMap<string, FieldPath> {
  const found = new Map<string, FieldPath>()
  collect(fields, [], found)
  return found
}

function collect(fields: JsonObject, at: FieldPath, found: Map<string, FieldPath>): void {
  const inside = Object.entries(fields).filter(([name]) => name !== '.')
  if (inside.length === 0 && at.length > 0) found.set(canonicalJson(at), at)
  for (const [name, below] of inside) collect(isJsonObject(below) ? below : {}, [...at, stepOf(name)], found)
}

/** `f:spec`, `k:{…}`, `v:…`, `i:…`, as a step. */
export function stepOf(name: string): Step {
  if (name.startsWith('f:')) return { field: name.slice(2) }
  if (!name.startsWith('k:')) return { item: name }
  const keys = parseKeys(name.slice(2))
  return keys === undefined ? { item: name } : { keys }
}

function parseKeys(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Everything that either holds. */
export function uniteFields(a: JsonObject, b: JsonObject): JsonObject {
  const united: Record<string, Json | undefined> = { ...a }
  for (const [name, below] of Object.entries(b)) {
    const there = united[name]
    united[name] = uniteFields(isJsonObject(there) ? there : {}, isJsonObject(below) ? below : {})
  }
  return united
}

/** What is held and kept; a field that leads to nothing any more goes too. */
export function filterFields(fields: JsonObject, keeps: (path: FieldPath) => boolean, at: FieldPath = []): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, below]) => {
      if (name === '.') return keeps(at) ? [[name, {}]] : []
      const path = [...at, stepOf(name)]
      if (!keeps(path)) return []
      const inside = isJsonObject(below) ? below : {}
      const kept = filterFields(inside, keeps, path)
      return Object.keys(inside).length > 0 && Object.keys(kept).length === 0 ? [] : [[name, kept]]
    }),
  )
}

/** Paths of `a` that are not in `b`. */
export function pathsMissing(a: JsonObject, b: JsonObject): readonly FieldPath[] {
  const other = heldPaths(b)
  return [...heldPaths(a)].filter(([key]) => !other.has(key)).map(([, path]) => path)
}

/** True where one path is the other, or leads to it. */
export function pathsTouch(a: FieldPath, b: FieldPath): boolean {
  const shorter = Math.min(a.length, b.length)
  return a.slice(0, shorter).every((step, i) => canonicalJson(step) === canonicalJson(b[i]))
}

/** The key fields by which items of lists are told apart, by the text of the list's path; from every entry of the objects. */
export function listKeys(...objects: readonly JsonObject[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  const walk = (fields: JsonObject, at: string): void => {
    for (const [name, below] of Object.entries(fields)) {
      const step = stepOf(name)
      if ('keys' in step) found.set(at, Object.keys(step.keys).sort())
      walk(isJsonObject(below) ? below : {}, 'field' in step ? `${at}/${step.field}` : `${at}/*`)
    }
  }
  for (const object of objects) for (const { fields } of managedEntries(object)) walk(fields, '')
  return found
}

const PLAIN = /^[A-Za-z_][\w-]*$/
const TEXT_MAX = 512

/**
 * `spec.template.spec.containers[name="app"].image`, `data["tls.crt"]`. Items of sets are written as their list: an item's value is
 * a value.
 */
export function pathText(path: FieldPath): string {
  let text = ''
  for (const step of path) {
    if ('item' in step) break
    if ('field' in step)
      text += PLAIN.test(step.field) ? `${text === '' ? '' : '.'}${step.field}` : `[${JSON.stringify(step.field)}]`
    else
      text += `[${Object.entries(step.keys)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(',')}]`
  }
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`
}
