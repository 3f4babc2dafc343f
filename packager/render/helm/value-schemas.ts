import { isJsonObject, type Json } from '../../../contract/canonical-json.ts'
import type { Fault } from '../../../contract/errors.ts'
import { type Chart, everyChart, fileOf } from './chart.ts'

/** Schemas of values that lead out of the commit: helm would fetch addresses, and read any file of the machine. */
export function findRemoteSchemas(chart: Chart): readonly Fault[] {
  return everyChart(chart).flatMap((each) => {
    const bytes = each.files.get('values.schema.json')
    if (bytes === undefined) return []
    const file = fileOf(each, 'values.schema.json')
    const schema = parseJson(bytes)
    if (schema === undefined) return [{ code: 'YAML_INVALID', message: 'not one JSON value', file }]
    return [...new Set(referencesIn(schema))].map((ref): Fault => {
      return { code: 'INPUT_REMOTE', message: `${ref} is not part of the schema's own file`, file }
    })
  })
}

function parseJson(bytes: Buffer): Json | undefined {
  try {
    return JSON.parse(bytes.toString('utf8').replace(/^\ufeff/, '')) as Json
  } catch {
    return undefined
  }
}

const META_SCHEMA = /^https?:\/\/json-schema\.org\/[\w./-]+#?$/

function referencesIn(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => referencesIn(item))
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([key, item]) => {
    const own =
      ['$ref', '$dynamicRef', '$recursiveRef', '$schema'].includes(key) && typeof item === 'string' ? [item] : []
    return [...own.filter((ref) => !ref.startsWith('#') && !META_SCHEMA.test(ref)), ...referencesIn(item ?? null)]
  })
}
