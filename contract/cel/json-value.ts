import { isJsonObject, type Json, type JsonObject } from '../canonical-json.ts'
import { CelMap, type MapKey, type Unknown, type Value } from './values.ts'

/** JSON as CEL has it: whole numbers are integers. Where `open` is given, every map may have other keys too. */
export function jsonValue(json: Json, open?: Unknown): Value {
  if (typeof json === 'number') return Number.isInteger(json) ? BigInt(json) : json
  if (isJsonObject(json)) return jsonMap(json, open)
  if (Array.isArray(json)) return json.map((one: Json) => jsonValue(one, open))
  return typeof json === 'object' ? null : json
}

export function jsonMap(object: JsonObject, open?: Unknown): CelMap {
  const entries = new Map<MapKey, Value>()
  for (const [key, json] of Object.entries(object)) if (json !== undefined) entries.set(key, jsonValue(json, open))
  return new CelMap(entries, undefined, open)
}
