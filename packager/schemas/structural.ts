import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { FieldPath } from '../../contract/schema/validate.ts'

/** What keeps a schema from being structural, and where: the API server takes no other (apiextensions.k8s.io/v1). */
export type SchemaFlaw = { readonly path: FieldPath; readonly message: string }

const FORBIDDEN = ['$ref', 'definitions', 'dependencies', 'patternProperties', 'additionalItems', 'id', '$schema']
const NOT_INSIDE = [
  ...['type', 'additionalProperties', 'default', 'nullable', 'description', 'title', 'example'],
  'x-kubernetes-validations',
]
const INT_OR_STRING = 'x-kubernetes-int-or-string'

/**
 * Every flaw of a CRD version's schema.
 * @see apiextensions-apiserver v0.36, pkg/apiserver/schema/validation.go and complete.go
 */
export function structuralFlaws(schema: JsonObject): readonly SchemaFlaw[] {
  const root: SchemaFlaw[] = []
  if (hasType(schema) && schema.type !== 'object')
    root.push({ path: ['type'], message: 'the type at the root must be object' })
  if (schema.additionalProperties !== undefined)
    root.push({ path: ['additionalProperties'], message: 'has no place at the root' })
  return [...root, ...flawsOf(schema, [])]
}

function flawsOf(schema: JsonObject, path: FieldPath): readonly SchemaFlaw[] {
  const flaws: SchemaFlaw[] = []
  const flaw = (step: string, message: string) => flaws.push({ path: [...path, step], message })
  const free = [INT_OR_STRING, 'x-kubernetes-preserve-unknown-fields'].some((word) => schema[word] === true)
  if (!free && !hasType(schema)) flaw('type', 'a type is missing')
  if (schema.type === 'array' && !isJsonObject(schema.items)) flaw('items', 'an array needs items')
  for (const word of FORBIDDEN) if (schema[word] !== undefined) flaw(word, 'has no place in a structural schema')
  if (schema.uniqueItems === true) flaw('uniqueItems', 'must not be true; x-kubernetes-list-type: set says it')
  if (isJsonObject(schema.properties) && schema.additionalProperties !== undefined)
    flaw('additionalProperties', 'cannot stand beside properties')
  for (const [step, below] of childrenOf(schema)) flaws.push(...flawsOf(below, [...path, ...step]))
  // Only of combinations at the root does the API server ask that what they speak of is declared.
  return [...flaws, ...combinedIn(schema, schema, path, { declared: path.length === 0 })]
}

/** A null is as good as nothing. */
function hasType({ type }: JsonObject): boolean {
  return type !== undefined && type !== null && type !== ''
}

type Must = { readonly declared: boolean }
type Child = readonly [FieldPath, JsonObject]

/** The schemas of properties, items and values. */
function childrenOf(schema: JsonObject): readonly Child[] {
  const { properties, items, additionalProperties } = schema
  const named = isJsonObject(properties)
    ? Object.entries(properties).map(([name, one]) => [['properties', name], one] as const)
    : []
  return [...named, [['items'], items] as const, [['additionalProperties'], additionalProperties] as const].flatMap(
    ([step, one]): readonly Child[] => (isJsonObject(one) ? [[step, one]] : []),
  )
}

/** The flaws of `combined`'s branches, which speak of what `structure` declares. */
function combinedIn(
  combined: JsonObject,
  structure: JsonObject | undefined,
  path: FieldPath,
  must: Must,
): readonly SchemaFlaw[] {
  const listed = ['allOf', 'anyOf', 'oneOf'].flatMap((word) => {
    const list: Json | undefined = combined[word]
    return Array.isArray(list) ? list.map((one: Json, i) => [[word, i], one] as const) : []
  })
  return [...listed, [['not'], combined.not] as const].flatMap(([step, one]) =>
    isJsonObject(one) ? branchFlaws(one, structure, [...path, ...step], must) : [],
  )
}

/** Combinations restrict fields that are declared outside of them, and declare nothing. */
function branchFlaws(
  branch: JsonObject,
  structure: JsonObject | undefined,
  path: FieldPath,
  must: Must,
): readonly SchemaFlaw[] {
  const words = NOT_INSIDE.filter((word) => branch[word] !== undefined)
  const misplaced = words.filter((word) => word !== 'type' || structure?.[INT_OR_STRING] !== true)
  const flaws = misplaced.map((word) => ({ path: [...path, word], message: 'has no place inside a combination' }))
  const below = childrenOf(branch)
    .filter(([step]) => step[0] !== 'additionalProperties')
    .flatMap(([step, one]) => {
      const declared = childrenOf(structure ?? {}).find(([at]) => at.join('/') === step.join('/'))?.[1]
      const at = [...path, ...step]
      if (declared === undefined && must.declared)
        return [{ path: at, message: 'is not declared outside the combination' }]
      return branchFlaws(one, declared, at, must)
    })
  return [...flaws, ...below, ...combinedIn(branch, structure, path, must)]
}
