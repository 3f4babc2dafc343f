import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

const REF = '#/components/schemas/'

/**
 * A Kubernetes OpenAPI v3 schema as the JSON Schema that says the same to a strict reader: fields that a structural schema does not
 * name are faults, int-or-string is either, references point to `$defs`. CEL rules are left out. Pure.
 */
export function toJsonSchema(schema: JsonObject): JsonObject {
  return convert(schema, true)
}

function convert(schema: JsonObject, structural: boolean): JsonObject {
  const out: Record<string, Json> = {}
  for (const [name, value] of Object.entries(schema))
    if (value !== undefined && !name.startsWith('x-') && name !== 'description' && name !== 'example')
      out[name] = keyword(name, value, structural)
  if (schema['x-kubernetes-int-or-string'] === true) {
    delete out.type
    out.anyOf = [{ type: 'integer' }, { type: 'string' }]
  }
  if (structural && isJsonObject(out.properties)) close(schema, out, out.properties)
  return out
}

function keyword(name: string, value: Json, structural: boolean): Json {
  switch (name) {
    case '$ref':
      return typeof value === 'string' && value.startsWith(REF) ? `#/$defs/${value.slice(REF.length)}` : value
    case 'properties':
      return mapValues(value, (below) => convert(below, structural))
    case 'items':
    case 'additionalProperties':
      return isJsonObject(value) ? convert(value, structural) : value
    case 'not':
      return isJsonObject(value) ? convert(value, false) : value
    case 'allOf':
    case 'anyOf':
    case 'oneOf':
      return Array.isArray(value) ? value.map((below) => (isJsonObject(below) ? convert(below, false) : below)) : value
    default:
      return value
  }
}

/** What a structural schema does not name is not allowed; every embedded object has its type and metadata. */
function close(schema: JsonObject, out: Record<string, Json>, properties: JsonObject): void {
  if (schema.additionalProperties !== undefined || schema['x-kubernetes-preserve-unknown-fields'] === true) return
  out.additionalProperties = false
  if (schema['x-kubernetes-embedded-resource'] === true)
    out.properties = { apiVersion: {}, kind: {}, metadata: {}, ...properties }
}

function mapValues(value: Json, convertOne: (below: JsonObject) => Json): Json {
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]) => (isJsonObject(below) ? [[name, convertOne(below)]] : [])),
  )
}
