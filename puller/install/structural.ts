import { z } from 'zod'
import { digestSchema } from '../../contract/artifact/artifact.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'

/** What a structural schema may say (apiextensions/v1, JSONSchemaProps) of what zod writes. The rest is left out. */
const KEPT = [
  'type',
  'description',
  'default',
  'enum',
  'pattern',
  'format',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'required',
] as const

/** For a spec’s strings that have no bound of their own: CEL rules are only accepted where their cost is bounded. */
const STRING_CHARS_MAX = 1024
const DIGEST = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$', maxLength: 71 } as const

/** By path (`spec.source.version`; `[]` for items): what replaces or joins the generated schema of that place. */
export type Amendments = Readonly<Record<string, JsonObject>>

/**
 * The structural OpenAPI v3 schema of a zod definition: what the API server accepts is what the code parses. Defaults
 * stay. What zod takes as unknown is kept as it comes, unless an amendment gives it a type.
 */
export function structural(schema: z.ZodType, amendments: Amendments, root: string): JsonObject {
  const generated = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      if (Object.is(zodSchema, digestSchema)) Object.assign(jsonSchema, DIGEST)
    },
  })
  const used = new Set<string>()
  const json: Json = JSON.parse(JSON.stringify(generated))
  const result = convert(json, root, amendments, used)
  const unused = Object.keys(amendments).filter((path) => !used.has(path))
  if (unused.length > 0) throw new WaybillError('INTERNAL', `no such place in the schema: ${unused.join(', ')}`)
  return result
}

function convert(schema: Json | undefined, path: string, amendments: Amendments, used: Set<string>): JsonObject {
  const from = isJsonObject(schema) ? schema : {}
  const amendment = amendments[path]
  if (amendment !== undefined) used.add(path)
  const { properties, items, additionalProperties } = from
  const kept = Object.fromEntries(KEPT.filter((word) => from[word] !== undefined).map((word) => [word, from[word]]))
  const result: Record<string, Json | undefined> = kept
  if (path.startsWith('spec') && kept.type === 'string' && kept.maxLength === undefined && kept.enum === undefined)
    result.maxLength = STRING_CHARS_MAX
  if (isJsonObject(properties))
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([name, one]) => [name, convert(one, `${path}.${name}`, amendments, used)]),
    )
  if (items !== undefined) result.items = convert(items, `${path}[]`, amendments, used)
  if (isJsonObject(additionalProperties)) {
    const values = convert(additionalProperties, `${path}{}`, amendments, used)
    if (values.type === undefined) result['x-kubernetes-preserve-unknown-fields'] = true
    else result.additionalProperties = values
  }
  if (kept.type === undefined && amendment?.type === undefined) result['x-kubernetes-preserve-unknown-fields'] = true
  return { ...result, ...amendment }
}
