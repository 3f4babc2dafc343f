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

/** What is no schema of ours holds; its refusal says in words what is wanted. */
const NOT_A_STRING_OF_OURS = '\u0000'

/** Of kinds that people write: what a pattern refuses is told in words. */
export type StructuralOptions = { readonly isWritten?: boolean }

/** For a spec’s strings that have no bound of their own: CEL rules are only accepted where their cost is bounded. */
const STRING_CHARS_MAX = 1024
const DIGEST = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$', maxLength: 71 } as const
/** Of what a pattern bounds by itself: long enough that what is too long for the pattern is told so in words. */
export const BY_PATTERN_CHARS_MAX = 256

/** By path (`spec.source.version`; `[]` for items): what replaces or joins the generated schema of that place. */
export type Amendments = Readonly<Record<string, JsonObject>>

/**
 * The structural OpenAPI v3 schema of a zod definition: what the API server accepts is what the code parses. Defaults
 * stay. What zod takes as unknown is kept as it comes, unless an amendment gives it a type. With `isWritten`, patterns become CEL rules with the
 * message that zod has: both are RE2 and match anywhere, so that the same is accepted.
 */
export function structural(
  schema: z.ZodType,
  amendments: Amendments,
  root: string,
  { isWritten = false }: StructuralOptions = {},
): JsonObject {
  const generated = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      if (Object.is(zodSchema, digestSchema))
        Object.assign(jsonSchema, DIGEST, isWritten && { maxLength: BY_PATTERN_CHARS_MAX })
      const words = isWritten && jsonSchema.type === 'string' ? wordsOf(zodSchema) : undefined
      if (words !== undefined) Object.assign(jsonSchema, { [WORDS]: words })
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
  const amended = { ...result, ...amendment }
  return from[WORDS] === undefined ? amended : inWords(amended, String(from[WORDS]))
}

const WORDS = 'x-words'

function wordsOf(schema: z.core.$ZodType): string | undefined {
  return z.core.safeParse(schema, NOT_A_STRING_OF_OURS).error?.issues[0]?.message
}

/** The pattern as a rule of CEL. A format would make something else than a string of it there; the pattern says more. */
function inWords({ pattern, ...described }: JsonObject, words: string): JsonObject {
  if (typeof pattern !== 'string') return described
  const { format: _, ...schema } = described
  const rules = schema['x-kubernetes-validations']
  const rule = { rule: `self.matches(${JSON.stringify(pattern)})`, message: `has to be ${words}` }
  return { ...schema, 'x-kubernetes-validations': [rule, ...(Array.isArray(rules) ? rules : [])] }
}
