import { isJsonObject, type Json, type JsonObject } from '../canonical-json.ts'
import { patternOf } from './pattern.ts'

const REF = '#/components/schemas/'

/**
 * `published`: what an API server publishes as OpenAPI v3, where an object without properties may hold anything. `crd`: a
 * structural schema of a CRD, where it holds nothing unless it says so.
 */
export type SchemaSource = 'published' | 'crd'

/**
 * A Kubernetes OpenAPI v3 schema as the JSON Schema that says the same to a strict reader: fields that a structural schema does not
 * name are faults, int-or-string is either, references point to `$defs`. CEL rules, and patterns that RE2 cannot read, are left out. Pure.
 */
export function toJsonSchema(schema: JsonObject, source: SchemaSource = 'published'): JsonObject {
  return convert(schema, { source, structural: true })
}

/** The schema of a CRD's version, for whole objects: it says nothing of apiVersion and kind, and little of metadata; they are there. */
export function crdSchema(schema: JsonObject, metadata: JsonObject = {}): JsonObject {
  const { metadata: _restricted, ...own } = isJsonObject(schema.properties) ? schema.properties : {}
  const type = { apiVersion: { type: 'string' }, kind: { type: 'string' } }
  const converted = toJsonSchema({ ...schema, properties: { ...own, ...type } }, 'crd')
  return { ...converted, properties: { ...(isJsonObject(converted.properties) ? converted.properties : {}), metadata } }
}

/** Inside `not` and combinations nothing is structural: they add no fields. */
type Mode = { readonly source: SchemaSource; readonly structural: boolean }

function convert(schema: JsonObject, mode: Mode): JsonObject {
  const out: Record<string, Json> = {}
  for (const [name, value] of Object.entries(decidable(schema)))
    if (value !== undefined && !name.startsWith('x-') && name !== 'description' && name !== 'example')
      out[name] = keyword(name, value, mode)
  if (typeof out.pattern === 'string' && patternOf(out.pattern) === undefined) delete out.pattern
  excludeBounds(out)
  keepListType(schema, out)
  if (schema['x-kubernetes-int-or-string'] === true) {
    delete out.type
    if (out.anyOf === undefined && out.oneOf === undefined) out.anyOf = [{ type: 'integer' }, { type: 'string' }]
  }
  joinTypes(out)
  if (schema.nullable === true && out.type !== undefined) out.type = [out.type, 'null'].flat()
  delete out.nullable
  if (mode.structural && isClosed(schema, out, mode.source)) close(schema, out)
  return out
}

/** `oneOf` and `not` refuse more where less is known of what is inside: then one of them is any of them, and nothing is said not to be. */
function decidable(schema: JsonObject): JsonObject {
  const { oneOf, not, ...rest } = schema
  const choice = oneOf === undefined ? {} : { [isDecidable(oneOf) ? 'oneOf' : 'anyOf']: oneOf }
  return { ...choice, ...rest, ...(not !== undefined && isDecidable(not) ? { not } : {}) }
}

/** What validate.ts knows, and what any number or text satisfies. */
const FORMATS_KNOWN = /^(?:byte|date-time|int32|int64|float|double|password|int-or-string|quantity)$/

function isDecidable(value: Json): boolean {
  if (Array.isArray(value)) return value.every(isDecidable)
  if (!isJsonObject(value)) return true
  const { format, pattern } = value
  if (typeof format === 'string' && !FORMATS_KNOWN.test(format)) return false
  if (typeof pattern === 'string' && patternOf(pattern) === undefined) return false
  return Object.values(value).every((below) => isDecidable(below ?? null))
}

function keyword(name: string, value: Json, mode: Mode): Json {
  const inside = { ...mode, structural: false }
  switch (name) {
    case '$ref':
      return typeof value === 'string' && value.startsWith(REF) ? `#/$defs/${value.slice(REF.length)}` : value
    case 'properties':
      return mapValues(value, (below) => convert(below, mode))
    case 'items':
    case 'additionalProperties':
      return isJsonObject(value) ? convert(value, mode) : value
    case 'not':
      return isJsonObject(value) ? convert(value, inside) : value
    case 'allOf':
    case 'anyOf':
    case 'oneOf':
      return Array.isArray(value)
        ? value.map((below: Json) => (isJsonObject(below) ? convert(below, inside) : below))
        : value
    default:
      return value
  }
}

/** Server-side apply takes no list in which two items have the same key (`listMapKeys`, a keyword of validate.ts), or are the same. */
function keepListType(schema: JsonObject, out: Record<string, Json>): void {
  const keys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-list-type'] === 'map' && Array.isArray(keys)) out.listMapKeys = keys
  if (schema['x-kubernetes-list-type'] === 'set') out.uniqueItems = true
}

/** Kubernetes says `exclusiveMaximum: true` beside `maximum`, as JSON Schema did up to draft 4. */
function excludeBounds(out: Record<string, Json>): void {
  for (const [bound, exclusive] of [
    ['minimum', 'exclusiveMinimum'],
    ['maximum', 'exclusiveMaximum'],
  ] as const) {
    const value = out[bound]
    const excluded = out[exclusive] === true && value !== undefined
    delete out[exclusive]
    if (!excluded) continue
    out[exclusive] = value
    delete out[bound]
  }
}

/** A choice between bare types is a list of types, and is said as one. */
function joinTypes(out: Record<string, Json>): void {
  for (const word of ['anyOf', 'oneOf'] as const) {
    const branches = out[word]
    if (!Array.isArray(branches) || branches.length === 0 || out.type !== undefined) continue
    const types = branches.map((branch: Json) =>
      isJsonObject(branch) && Object.keys(branch).length === 1 && typeof branch.type === 'string' ? [branch.type] : [],
    )
    if (types.some((one) => one.length === 0)) continue
    delete out[word]
    out.type = types.flat()
  }
}

/** Whether fields that it does not name are faults. */
function isClosed(schema: JsonObject, out: JsonObject, source: SchemaSource): boolean {
  if (schema.additionalProperties !== undefined || schema['x-kubernetes-preserve-unknown-fields'] === true) return false
  return isJsonObject(out.properties) || (source === 'crd' && schema.type === 'object')
}

/** Every embedded object has its type and metadata. */
function close(schema: JsonObject, out: Record<string, Json>): void {
  out.additionalProperties = false
  if (schema['x-kubernetes-embedded-resource'] === true)
    out.properties = { apiVersion: {}, kind: {}, metadata: {}, ...(isJsonObject(out.properties) ? out.properties : {}) }
}

function mapValues(value: Json, convertOne: (below: JsonObject) => Json): Json {
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]) => (isJsonObject(below) ? [[name, convertOne(below)]] : [])),
  )
}
