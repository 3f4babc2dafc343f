import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { BOOL, type CelType, DOUBLE, DYN, INT, listOf, mapOf, STRING, typeOf } from '../../contract/cel/typing.ts'
import { CelMap, type MapKey, markUnordered, Unknown, type Value } from '../../contract/cel/values.ts'

/** Fields of each object type, by the name of the type. */
export type TypeFields = Record<string, ReadonlyMap<string, CelType>>
/** `isResource`: of a whole object, also one that is embedded; apiVersion, kind, metadata.name and metadata.generateName are there. */
export type SchemaPlace = { readonly isResource: boolean }

export const isEmbedded = (schema: JsonObject): SchemaPlace => ({
  isResource: schema['x-kubernetes-embedded-resource'] === true,
})

/**
 * The type of what a structural schema describes, as rules of CRDs see it; undefined where they do not. Object types are named by their path from
 * `name`, so that two of one shape are two types, and go into `fields`. Times, durations and bytes are dyn: their values are unknown here.
 * @see apiserver v0.36, pkg/cel/common/schemas.go, SchemaDeclType, and pkg/cel/types.go, MaybeAssignTypeName
 */
export function schemaType(
  schema: JsonObject,
  name: string,
  fields: TypeFields,
  place: SchemaPlace,
): CelType | undefined {
  if (isIntOrString(schema)) return DYN
  switch (place.isResource ? 'object' : schema.type) {
    case 'array': {
      const { items } = schema
      const item = isJsonObject(items) ? schemaType(items, `${name}.@idx`, fields, isEmbedded(items)) : undefined
      return item === undefined ? undefined : listOf(item)
    }
    case 'object': {
      const { additionalProperties: values } = schema
      if (!isJsonObject(values)) return objectType(schema, name, fields, place)
      const value = schemaType(values, `${name}.@elem`, fields, isEmbedded(values))
      return value === undefined ? undefined : mapOf(STRING, value)
    }
    case 'string':
      return isOpaque(schema) ? DYN : STRING
    case 'boolean':
      return BOOL
    case 'number':
      return DOUBLE
    case 'integer':
      return INT
  }
  return undefined
}

/** Whether rules see what a schema describes; where they do not, those in it are not evaluated either. */
export function isSeen(schema: JsonObject): boolean {
  const { type, items, additionalProperties } = schema
  if (isIntOrString(schema) || isEmbedded(schema).isResource) return true
  if (type === 'array') return isJsonObject(items) && isSeen(items)
  if (type === 'object') return !isJsonObject(additionalProperties) || isSeen(additionalProperties)
  return type === 'string' || type === 'boolean' || type === 'number' || type === 'integer'
}

function objectType(schema: JsonObject, name: string, fields: TypeFields, place: SchemaPlace): CelType {
  const own = new Map<string, CelType>()
  for (const [property, inner] of Object.entries(propertiesOf(schema, place))) {
    const [field, ...others] = ruleNames(property)
    if (field === undefined || !isJsonObject(inner)) continue
    const type = schemaType(inner, `${name}.${field}`, fields, isEmbedded(inner))
    if (type !== undefined) for (const one of [field, ...others]) own.set(one, type)
  }
  fields[name] = own
  return typeOf(name)
}

const TEXT = { type: 'string' }
const METADATA = { type: 'object', properties: { name: TEXT, generateName: TEXT } }

function propertiesOf({ properties }: JsonObject, { isResource }: SchemaPlace): JsonObject {
  const own = isJsonObject(properties) ? properties : {}
  return isResource ? { ...own, apiVersion: TEXT, kind: TEXT, metadata: METADATA } : own
}

const isIntOrString = (schema: JsonObject) => schema['x-kubernetes-int-or-string'] === true

const OPAQUE: Readonly<Record<string, string>> = {
  byte: 'bytes',
  duration: 'a duration',
  date: 'a time',
  'date-time': 'a time',
}
const isOpaque = ({ format }: JsonObject) => typeof format === 'string' && Object.hasOwn(OPAQUE, format)

/** What rules cannot see of an object, and its equality depends on; no field has such a name. */
const UNSEEN: MapKey = true
const unseen = new Unknown('fields that rules do not see')

/** A value that its schema takes, as a rule sees it. @see apiserver v0.36, pkg/cel/common/valuesunstructured.go */
export function schemaValue(json: Json, schema: JsonObject, place: SchemaPlace): Value | Unknown {
  if (json === null) return null
  if (isIntOrString(schema) && typeof json === 'string') return json
  const type = isIntOrString(schema) ? 'integer' : place.isResource ? 'object' : schema.type
  if (type === 'array' && Array.isArray(json)) return listValue(json, schema)
  if (type === 'object' && isJsonObject(json))
    return isJsonObject(schema.additionalProperties)
      ? mapValue(json, schema.additionalProperties)
      : objectValue(json, schema, place)
  if (type === 'string' && typeof json === 'string')
    return isOpaque(schema) ? new Unknown(`${OPAQUE[String(schema.format)]}, which CI cannot evaluate`) : json
  if (type === 'boolean' && typeof json === 'boolean') return json
  if (type === 'number' && typeof json === 'number') return json
  if (type === 'integer' && Number.isInteger(json)) return BigInt(Number(json))
  return new Unknown('a value that its schema does not describe')
}

function listValue(json: readonly Json[], { items, 'x-kubernetes-list-type': kind }: JsonObject): Value | Unknown {
  const list: Value[] = []
  for (const one of json) {
    const value = isJsonObject(items) ? schemaValue(one, items, isEmbedded(items)) : unseen
    if (value instanceof Unknown) return value
    list.push(value)
  }
  return kind === 'set' || kind === 'map' ? markUnordered(list) : list
}

type Hidden = Map<MapKey, { readonly unknown: Unknown; readonly present: boolean }>

function mapValue(json: JsonObject, values: JsonObject): CelMap {
  const entries = new Map<MapKey, Value>()
  const hidden: Hidden = new Map()
  for (const [key, one] of Object.entries(json)) {
    const value = schemaValue(one ?? null, values, isEmbedded(values))
    if (value instanceof Unknown) hidden.set(key, { unknown: value, present: true })
    else entries.set(key, value)
  }
  return new CelMap(entries, hidden)
}

function objectValue(json: JsonObject, schema: JsonObject, at: SchemaPlace): CelMap {
  const properties = propertiesOf(schema, at)
  const entries = new Map<MapKey, Value>()
  const hidden: Hidden = new Map()
  for (const [name, one] of Object.entries(json)) {
    const inner = Object.hasOwn(properties, name) ? properties[name] : undefined
    const names = ruleNames(name)
    // A null is as good as an absent field, but for equality.
    if (one == null || names.length === 0 || !isJsonObject(inner)) {
      hidden.set(UNSEEN, { unknown: unseen, present: true })
      continue
    }
    const value = schemaValue(one, inner, isEmbedded(inner))
    for (const field of names)
      if (value instanceof Unknown) hidden.set(field, { unknown: value, present: true })
      else entries.set(field, value)
  }
  return new CelMap(entries, hidden)
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
)
const ESCAPES: Readonly<Record<string, string>> = { __: 'underscores', '.': 'dot', '-': 'dash', '/': 'slash' }

/**
 * The names that a property has in expressions, none where it cannot be named; what is a word of CEL has two.
 * @see apiserver v0.36, pkg/cel/escaping.go, and pkg/cel/types.go, recognizeKeywordAsFieldName
 */
export function ruleNames(property: string): readonly string[] {
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(property)) return []
  if (RESERVED.has(property)) return [`__${property}__`, property]
  return [property.replaceAll(/__|[-./]/g, (part) => `__${ESCAPES[part]}__`)]
}
