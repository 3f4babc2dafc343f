import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { toJsonSchema } from '../../contract/schema/json-schema.ts'
import { crdValidator, fieldText, type Validate, validatorsOf } from '../../contract/schema/validate.ts'
import type { Cluster, Resource } from '../cluster/cluster-port.ts'
import { groupVersionPath } from '../cluster/discovery.ts'
import { apiVersionOf } from '../cluster/resources.ts'
import type { DesiredObject } from './desired.ts'

const FAULTS_LISTED_MAX = 8

/**
 * Checks objects that cannot be dry-run yet against schemas: the CRD's of the same set, or what the API server publishes
 * (OpenAPI v3). One for each look at a cluster; remembers what it fetched.
 */
export class SchemaCheck {
  readonly #cluster: Cluster
  readonly #documents = new Map<string, Promise<JsonObject | undefined>>()
  readonly #validators = new Map<string, Promise<Validate | undefined>>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Faults by path and kind, never with a value (`spec.replicas: must be integer`); undefined: there is no schema that we can use. */
  async faultsOf(desired: DesiredObject): Promise<readonly string[] | undefined> {
    const { resource, crd } = desired
    if (resource === undefined) return undefined
    const type = `${apiVersionOf(resource)} ${resource.kind}`
    const validator = this.#validators.get(type) ?? this.#validatorOf(resource, crd?.schema)
    // Remembered before it is there: the objects of a set are checked in parallel.
    this.#validators.set(type, validator)
    const faults = (await validator)?.(desired.object)
    return faults?.slice(0, FAULTS_LISTED_MAX).map(({ path, message }) => `${fieldText(path)}: ${message}`)
  }

  async #validatorOf(resource: Resource, schema: JsonObject | undefined): Promise<Validate | undefined> {
    return schema === undefined ? this.#published(resource) : crdValidator(schema)
  }

  async #published(resource: Resource): Promise<Validate | undefined> {
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
    return validatorsOf(Object.fromEntries(defs))(root[0])
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
