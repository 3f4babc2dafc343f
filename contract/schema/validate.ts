import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { isJsonObject, type Json, type JsonObject } from '../canonical-json.ts'
import { crdSchema } from './json-schema.ts'
import { patternOf } from './pattern.ts'

/** Keys and indices that lead to a value. */
export type FieldPath = readonly (string | number)[]

/** What is wrong with a field: by path and kind, never with its value. */
export type SchemaFault = {
  readonly path: FieldPath
  /** `must be integer`, `unknown field`, `required`. */
  readonly message: string
  /** The word of JSON Schema that it goes against. */
  readonly keyword: string
  /** For an unknown field: those that there are. */
  readonly known?: readonly string[]
}

/** All faults of one object. Defaults count as given. */
export type Validate = (object: Json) => readonly SchemaFault[]

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/
/** What the API server takes for a quantity (apimachinery v0.36, api/resource, ParseQuantity); its OpenAPI only says text or number. */
const QUANTITY = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/
const isInt32 = (value: number) => value >= -(2 ** 31) && value < 2 ** 31

/** Definitions that may refer to each other (`#/$defs/NAME`), already as JSON Schema (`toJsonSchema`). */
export type Definitions = Readonly<Record<string, JsonObject>>

/**
 * Finds the validator of a definition, for which a null is as good as nothing. Each is compiled when it is first asked for; what they
 * share, once. Undefined where there is no such definition, or JavaScript cannot follow it.
 */
export function validatorsOf(definitions: Definitions): (name: string) => Validate | undefined {
  const ajv = reading(definitions, true)
  const found = new Map<string, Validate | undefined>()
  return (name) => {
    if (!found.has(name))
      found.set(name, Object.hasOwn(definitions, name) ? compiled(ajv, name, withoutNulls) : undefined)
    return found.get(name)
  }
}

/**
 * The validator of whole objects by the schema of a CRD's version, for which a null is a value, except in metadata: `metadata` is its schema, and may
 * refer to `definitions`. Undefined where JavaScript cannot follow it.
 */
export function crdValidator(
  schema: JsonObject,
  metadata: JsonObject = {},
  definitions: Definitions = {},
): Validate | undefined {
  // Defaults also take the place of a null.
  const ajv = reading({ ...definitions, [OWN]: crdSchema(schema, metadata) }, 'empty')
  return compiled(ajv, OWN, (object) =>
    isJsonObject(object) ? structuredClone({ ...object, metadata: withoutNulls(object.metadata ?? {}) }) : object,
  )
}

const OWN = 'own'

/** The engine of all patterns. Ajv tells one from another by its `toString`; `code` names the engine in code that nobody prints. */
const PATTERNS = Object.assign(
  (text: string) => {
    const pattern = patternOf(text)
    if (pattern === undefined) throw new TypeError('no pattern of RE2')
    return { test: (value: string) => pattern.test(value), toString: () => text }
  },
  { code: 'RE2' },
)

function reading(definitions: Definitions, useDefaults: true | 'empty'): Ajv {
  const ajv = new Ajv({
    allErrors: true,
    strict: false,
    logger: false,
    verbose: true,
    useDefaults,
    // Fields may be called `constructor`, or `toString`.
    ownProperties: true,
    validateSchema: false,
    unicodeRegExp: false,
    inlineRefs: false,
    code: { regExp: PATTERNS },
    formats: {
      byte: BASE64,
      quantity: QUANTITY,
      'date-time': (text: string) => RFC3339.test(text) && !Number.isNaN(Date.parse(text)),
      int32: { type: 'number', validate: isInt32 },
      'int-or-string': { type: 'number', validate: isInt32 },
    },
  })
  ajv.addKeyword({ keyword: 'listMapKeys', type: 'array', validate: haveOwnKeys, errors: false })
  // Ajv's own compares each item with each.
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({ keyword: 'uniqueItems', type: 'array', validate: areUnique, errors: false })
  return ajv.addSchema({ $defs: definitions }, 'k')
}

/** Whether no two items have the same keys; what has none of them is no item to compare. */
function haveOwnKeys(keys: readonly string[], items: readonly Json[]): boolean {
  const all = items.flatMap((item) =>
    isJsonObject(item) && keys.some((key) => item[key] !== undefined)
      ? [JSON.stringify(keys.map((key) => item[key] ?? null))]
      : [],
  )
  return new Set(all).size === all.length
}

function areUnique(wanted: boolean, items: readonly Json[]): boolean {
  return !wanted || new Set(items.map((item) => JSON.stringify(item, withSortedKeys))).size === items.length
}

function withSortedKeys(_name: string, value: Json): Json {
  if (!isJsonObject(value)) return value
  const names = Object.keys(value).sort()
  return Object.fromEntries(names.map((name) => [name, value[name]]))
}

/** `copy` makes what is validated, since defaults are filled in. */
function compiled(ajv: Ajv, name: string, copy: (object: Json) => Json): Validate | undefined {
  const validate = compile(ajv, name)
  if (validate === undefined) return undefined
  return (object) => {
    const filled = copy(object)
    if (validate(filled)) return []
    return faultsOf(validate.errors ?? [], filled)
  }
}

function compile(ajv: Ajv, name: string): ValidateFunction | undefined {
  try {
    return ajv.getSchema(`k#/$defs/${encodeURIComponent(name)}`)
  } catch {
    return undefined
  }
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]) => (below == null ? [] : [[name, withoutNulls(below)]])),
  )
}

/** Each fault once. Of a choice that no branch satisfies, the choice is the fault, not each branch. */
function faultsOf(errors: readonly ErrorObject[], object: Json): readonly SchemaFault[] {
  const found = new Map<string, SchemaFault>()
  for (const error of errors) {
    if (/\/(?:anyOf|oneOf)\/\d+\//.test(error.schemaPath)) continue
    const fault = faultOf(error, object)
    const key = `${JSON.stringify(fault.path)} ${fault.message}`
    if (!found.has(key)) found.set(key, fault)
  }
  return [...found.values()]
}

function faultOf(error: ErrorObject, object: Json): SchemaFault {
  return { ...placed(error, object), keyword: error.keyword }
}

function placed(
  { instancePath, keyword, params, message, parentSchema }: ErrorObject,
  object: Json,
): Omit<SchemaFault, 'keyword'> {
  const path = parsePointer(instancePath, object)
  switch (keyword) {
    case 'additionalProperties':
      return {
        path: [...path, String(params.additionalProperty)],
        message: 'unknown field',
        known: Object.keys(parentSchema?.properties ?? {}),
      }
    case 'required':
      return { path: [...path, String(params.missingProperty)], message: 'required' }
    case 'type':
      return { path, message: `must be ${[params.type].flat().join(' or ')}` }
    case 'enum':
      return { path, message: `must be one of ${params.allowedValues.map(String).join(', ')}` }
    case 'format':
      return { path, message: `must be ${FORMATS[String(params.format)] ?? params.format}` }
    case 'uniqueItems':
      return { path, message: 'must not hold the same item twice' }
    case 'listMapKeys':
      return { path, message: `must not hold two items of the same ${parentSchema?.listMapKeys.join(' and ')}` }
    case 'not':
    case 'anyOf':
    case 'oneOf':
      return { path, message: `does not satisfy ${keyword}` }
    default:
      return { path, message: message ?? `does not satisfy ${keyword}` }
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  byte: 'base64',
  quantity: 'a quantity such as 500m or 1Gi',
  'date-time': 'a time such as 2026-01-02T03:04:05Z',
  int32: 'an integer of 32 bits',
  'int-or-string': 'an integer of 32 bits or text',
}

/** A JSON pointer as steps, with numbers where it leads through lists. */
function parsePointer(pointer: string, object: Json): FieldPath {
  let here: Json | undefined = object
  return pointer
    .split('/')
    .slice(1)
    .map((text) => {
      const step = text.replaceAll('~1', '/').replaceAll('~0', '~')
      if (Array.isArray(here)) {
        here = here[Number(step)]
        return Number(step)
      }
      here = isJsonObject(here) ? here[step] : undefined
      return step
    })
}

/** `spec.containers[0].image`, `metadata.labels["a/b"]`; at most 512 characters. */
export function fieldText(path: FieldPath): string {
  return path
    .map((step) =>
      typeof step === 'number'
        ? `[${step}]`
        : /^[A-Za-z_$][\w$-]*$/.test(step)
          ? `.${step}`
          : `[${JSON.stringify(step)}]`,
    )
    .join('')
    .replace(/^\./, '')
    .slice(0, 512)
}
