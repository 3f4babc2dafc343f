import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** A custom object with the defaults of its CRD's schema put in, as the API server does before admission. */
export function withDefaults(object: JsonObject, schema: JsonObject): JsonObject {
  const filled = fill(object, schema)
  return isJsonObject(filled) ? filled : object
}

function fill(value: Json, schema: Json | undefined): Json {
  if (!isJsonObject(schema)) return value
  if (Array.isArray(value)) return value.map((item: Json) => fill(item, schema.items))
  if (!isJsonObject(value)) return value
  const properties = isJsonObject(schema.properties) ? schema.properties : {}
  const entries = Object.entries(value).map(([name, one]) => {
    const inner = Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties
    const isNull = one === null && isJsonObject(inner) && inner.nullable !== true && inner.default !== undefined
    return [name, isNull ? inner.default : fill(one ?? null, inner)] as const
  })
  const added = Object.entries(properties).flatMap(([name, inner]) =>
    Object.hasOwn(value, name) || !isJsonObject(inner) || inner.default === undefined
      ? []
      : [[name, fill(inner.default, inner)] as const],
  )
  return Object.fromEntries([...entries, ...added])
}
