import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { type EnumValues, lastSteps } from './enums.ts'
import { isOptional } from './optional.ts'

/** One OpenAPI v3 document of an API server: a group and version. */
export type OpenApi = { readonly paths: JsonObject; readonly schemas: JsonObject }

/** A kind that can be applied, and the definition that it has. */
export type KindLine = {
  readonly apiVersion: string
  readonly kind: string
  readonly resource: string
  readonly namespaced: boolean
  readonly definition: string
}

const REF = '#/components/schemas/'
/** Patch strategies say nothing of what is valid; unions and groups of kinds are said elsewhere. Of defaults see `isZeroStruct`. */
const DROPPED = /^(?:description|default|example|x-kubernetes-(?:patch-.*|group-version-kind|unions|map-type))$/

export function parseOpenApi(text: string): OpenApi {
  const document: Json = JSON.parse(text)
  const { paths, components } = isJsonObject(document) ? document : {}
  const schemas = isJsonObject(components) ? components.schemas : undefined
  return { paths: isJsonObject(paths) ? paths : {}, schemas: isJsonObject(schemas) ? schemas : {} }
}

/** The lines of one release's data: the release, its kinds, and the definitions that they lead to; sorted. */
export function minorData(
  release: string,
  documents: readonly OpenApi[],
  enums: readonly EnumValues[],
): readonly JsonObject[] {
  const kinds = documents.flatMap(kindsOf).sort((a, b) => compare(keyOf(a), keyOf(b)))
  const roots = new Set(kinds.map(({ definition }) => definition))
  const all: JsonObject = Object.assign({}, ...documents.map(({ schemas }) => schemas))
  const valuesOf = enumIndex(enums)
  const kept = new Map<string, JsonObject>()
  const take = (name: string): void => {
    const schema = all[name]
    if (kept.has(name) || !isJsonObject(schema)) return
    const slim = slimDefinition(name, schema, { all, enums: valuesOf(name), withoutStatus: roots.has(name) })
    kept.set(name, slim)
    for (const reference of referencesIn(slim)) take(reference)
  }
  for (const name of roots) take(name)
  const definitions = [...kept].sort(([a], [b]) => compare(a, b)).map(([name, schema]) => ({ name, schema }))
  return [{ release }, ...kinds, ...definitions]
}

/** The kinds that a document's paths allow to be patched by name; subresources are other paths. */
export function kindsOf({ paths }: OpenApi): readonly KindLine[] {
  const found = new Map<string, KindLine>()
  for (const [path, operations] of Object.entries(paths)) {
    const [, group, version, namespace, resource] =
      /^\/apis?(?:\/([^/]+))?\/([^/]+)(\/namespaces\/\{namespace\})?\/([^/]+)\/\{name\}$/.exec(path) ?? []
    const patch = isJsonObject(operations) ? operations.patch : undefined
    if (version === undefined || resource === undefined || !isJsonObject(patch)) continue
    const type = patch['x-kubernetes-group-version-kind']
    const definition = [...referencesIn(patch.responses ?? null)][0]
    if (!isJsonObject(type) || typeof type.kind !== 'string' || definition === undefined) continue
    const apiVersion = group === undefined ? version : `${group}/${version}`
    const line = { apiVersion, kind: type.kind, resource, namespaced: namespace !== undefined, definition }
    found.set(keyOf(line), line)
  }
  return [...found.values()]
}

function enumIndex(enums: readonly EnumValues[]) {
  const byDefinition = Map.groupBy(enums, ({ definition }) => definition)
  return (name: string): ReadonlyMap<string, readonly string[]> =>
    new Map((byDefinition.get(lastSteps(name, '.')) ?? []).map(({ property, values }) => [property, values]))
}

type Around = {
  readonly all: JsonObject
  readonly enums: ReadonlyMap<string, readonly string[]>
  readonly withoutStatus: boolean
}

/**
 * A definition without words, with its enums, and references where they stand alone; requires what the API server does; a kind without its
 * status, which is never applied.
 */
function slimDefinition(name: string, schema: JsonObject, { all, enums, withoutStatus }: Around): JsonObject {
  const slim = slimmed(schema)
  if (!isJsonObject(slim.properties) || !isJsonObject(schema.properties)) return slim
  const whole = schema.properties
  const properties = Object.entries(slim.properties).flatMap(([field, one]) => {
    if (!isJsonObject(one) || (withoutStatus && field === 'status')) return []
    const zero = isZeroStruct(whole[field], one, all) ? { default: {} } : {}
    return [[field, { ...withEnum(one, enums.get(field)), ...zero }] as const]
  })
  const { required, ...rest } = slim
  const needed = Array.isArray(required) ? required.filter((field) => !isOptional(name, String(field))) : []
  return { ...rest, properties: Object.fromEntries(properties), ...(needed.length === 0 ? {} : { required: needed }) }
}

/** A struct in place in Go: left out it is as good as empty, and what it requires is what is missing. Other defaults are not needed. */
function isZeroStruct(whole: Json | undefined, { $ref }: JsonObject, all: JsonObject): boolean {
  const target = typeof $ref === 'string' ? all[$ref.replace(REF, '')] : undefined
  return isJsonObject(whole) && isJsonObject(whole.default) && isJsonObject(target) && isJsonObject(target.properties)
}

function slimmed(schema: JsonObject): JsonObject {
  const { allOf } = schema
  const only = Array.isArray(allOf) && allOf.length === 1 ? allOf[0] : undefined
  if (isJsonObject(only) && typeof only.$ref === 'string') return slimmed({ $ref: only.$ref })
  const entries = Object.entries(schema).flatMap(([word, value]) => {
    if (DROPPED.test(word) || value === undefined) return []
    if (word === 'properties' && isJsonObject(value))
      return [[word, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, slimValue(one)]))]]
    if (word === 'enum' && Array.isArray(value)) return [[word, value.map(String).sort(compare)]]
    return [[word, slimValue(value)]]
  })
  return Object.fromEntries(entries)
}

function slimValue(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map((one: Json) => slimValue(one))
  return isJsonObject(value) ? slimmed(value) : (value ?? null)
}

function withEnum(schema: JsonObject, values: readonly string[] | undefined): JsonObject {
  if (values === undefined) return schema
  const sorted = [...values].sort(compare)
  for (const inner of ['items', 'additionalProperties'] as const) {
    const below = schema[inner]
    if (isJsonObject(below)) return { ...schema, [inner]: { ...below, enum: sorted } }
  }
  return { ...schema, enum: sorted }
}

function referencesIn(value: Json): ReadonlySet<string> {
  const found = new Set<string>()
  const look = (one: Json | undefined): void => {
    if (Array.isArray(one)) for (const item of one) look(item)
    if (!isJsonObject(one)) return
    if (typeof one.$ref === 'string') found.add(one.$ref.replace(REF, ''))
    for (const below of Object.values(one)) look(below)
  }
  look(value)
  return found
}

const keyOf = ({ apiVersion, kind }: KindLine) => `${apiVersion} ${kind}`
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
