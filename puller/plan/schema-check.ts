import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { Cluster, Resource } from '../cluster/cluster-port.ts'
import { groupVersionPath } from '../cluster/discovery.ts'
import { apiVersionOf } from '../cluster/resources.ts'
import type { DesiredObject } from './desired.ts'
import { toJsonSchema } from './json-schema.ts'

const FAULTS_LISTED_MAX = 8
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Checks objects that cannot be dry-run yet against schemas: the CRD's of the same set, or what the API server publishes
 * (OpenAPI v3). One for each look at a cluster; remembers what it fetched.
 */
export class SchemaCheck {
  readonly #cluster: Cluster
  readonly #documents = new Map<string, Promise<JsonObject | undefined>>()
  readonly #validators = new Map<string, ValidateFunction | undefined>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Faults by path and kind, never with a value (`spec.replicas: must be integer`); undefined: there is no schema that we can use. */
  async faultsOf(desired: DesiredObject): Promise<readonly string[] | undefined> {
    const { resource, crd } = desired
    if (resource === undefined) return undefined
    const type = `${apiVersionOf(resource)} ${resource.kind}`
    if (!this.#validators.has(type))
      this.#validators.set(
        type,
        crd?.schema === undefined ? await this.#published(resource) : compile(withType(crd.schema)),
      )
    const validate = this.#validators.get(type)
    if (validate === undefined) return undefined
    if (validate(withoutNulls(desired.object))) return []
    return [...new Set((validate.errors ?? []).map(sayFault))].slice(0, FAULTS_LISTED_MAX)
  }

  async #published(resource: Resource): Promise<ValidateFunction | undefined> {
    const path = `/openapi/v3${groupVersionPath(apiVersionOf(resource))}`
    if (!this.#documents.has(path)) this.#documents.set(path, this.#fetch(path))
    const document = await this.#documents.get(path)
    const components =
      document !== undefined && isJsonObject(document.components) ? document.components.schemas : undefined
    if (!isJsonObject(components)) return undefined
    const root = Object.entries(components).find(([, schema]) => isJsonObject(schema) && isOf(schema, resource))
    if (root === undefined) return undefined
    const defs = Object.entries(components).flatMap(([name, schema]) =>
      isJsonObject(schema) ? [[name, toJsonSchema(schema)]] : [],
    )
    return compile({ $ref: `#/$defs/${root[0]}`, $defs: Object.fromEntries(defs) })
  }

  async #fetch(path: string): Promise<JsonObject | undefined> {
    const { status, body } = await this.#cluster.request('puller', { method: 'GET', path })
    return status === 200 ? body : undefined
  }
}

function isOf(schema: JsonObject, { group, version, kind }: Resource): boolean {
  const kinds = schema['x-kubernetes-group-version-kind']
  return (
    Array.isArray(kinds) &&
    kinds.some(
      (known) => isJsonObject(known) && known.group === group && known.version === version && known.kind === kind,
    )
  )
}

/** A CRD's schema says nothing of apiVersion, kind and metadata; they are there. */
function withType(schema: JsonObject): JsonObject {
  const own = isJsonObject(schema.properties) ? schema.properties : {}
  return toJsonSchema({ ...schema, properties: { ...own, apiVersion: {}, kind: {}, metadata: {} } })
}

/** Undefined where JavaScript cannot follow the schema, a pattern of Go's for instance. */
function compile(schema: JsonObject): ValidateFunction | undefined {
  const ajv = new Ajv({
    allErrors: true,
    strict: false,
    logger: false,
    useDefaults: true,
    unicodeRegExp: false,
    formats: { byte: BASE64 },
  })
  try {
    return ajv.compile(schema)
  } catch {
    return undefined
  }
}

/** A copy, since defaults are filled in; a null in a manifest is as good as nothing. */
function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]) => (below == null ? [] : [[name, withoutNulls(below)]])),
  )
}

function sayFault({ instancePath, keyword, params }: ErrorObject): string {
  const steps = instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const path = steps
    .map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
  const at = (field: unknown) => `${path === '' ? '' : `${path}.`}${String(field)}`.slice(0, 512)
  switch (keyword) {
    case 'additionalProperties':
      return `${at(params.additionalProperty)}: unknown field`
    case 'required':
      return `${at(params.missingProperty)}: required`
    case 'type':
      return `${path}: must be ${String(params.type)}`
    default:
      return `${path}: does not satisfy ${keyword}`
  }
}
