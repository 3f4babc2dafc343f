import type { KubeObject, ObjectId } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster, Resource } from './cluster-port.ts'
import { groupVersionPath } from './discovery.ts'

/** `apps/v1`, `v1` */
export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`
}

/** `/apis/apps/v1/namespaces/shop/deployments`; all namespaces, or none, with ''. */
export function collectionPath(resource: Resource, namespace: string): string {
  const base = groupVersionPath(apiVersionOf(resource))
  const scope = resource.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${base}${scope}/${encodeURIComponent(resource.plural)}`
}

/** Where one object is. Every segment is encoded, so that no name can lead elsewhere. */
export function objectUrl(resource: Resource, id: Pick<ObjectId, 'namespace' | 'name'>): string {
  if (id.name === '.' || id.name === '..') throw new WaybillError('OBJECT_REFUSED', 'an object cannot be named . or ..')
  return `${collectionPath(resource, id.namespace)}/${encodeURIComponent(id.name)}`
}

/**
 * How an inventory entry's group-kind is addressed now, whatever version the server prefers; undefined where it does not know it any more.
 * @throws WaybillError CLUSTER_FAILED when the group does not answer: not knowing is not the same as being gone
 */
export async function resourceOfKind(cluster: Cluster, group: string, kind: string): Promise<Resource | undefined> {
  if (group === '') return cluster.resource('v1', kind)
  const { status, body } = await cluster.request('puller', {
    method: 'GET',
    path: `/apis/${encodeURIComponent(group)}`,
  })
  if (status === 404) return undefined
  if (status !== 200) throw new WaybillError('CLUSTER_FAILED', `the API group ${group} does not answer (${status})`)
  for (const apiVersion of groupVersions(body)) {
    const resource = await cluster.resource(apiVersion, kind)
    if (resource !== undefined) return resource
  }
  return undefined
}

function groupVersions({ preferredVersion, versions }: JsonObject): string[] {
  const all = [preferredVersion, ...(Array.isArray(versions) ? versions : [])].filter(isJsonObject)
  return [...new Set(all.map(({ groupVersion }) => groupVersion).filter((text) => typeof text === 'string'))]
}

/** A CRD as far as addressing and checking its custom resources goes. */
export type CrdVersion = {
  readonly resource: Resource
  readonly served: boolean
  readonly schema: JsonObject | undefined
}

export function isCrd({ apiVersion, kind }: KubeObject): boolean {
  return kind === 'CustomResourceDefinition' && apiVersion.startsWith('apiextensions.k8s.io/')
}

/** The kinds that the CRDs among the objects bring, by `${apiVersion} ${kind}`; versions that are not served included. Pure. */
export function crdVersions(objects: readonly KubeObject[]): ReadonlyMap<string, CrdVersion> {
  return new Map(objects.filter(isCrd).flatMap(versionsOf))
}

function versionsOf({ spec }: KubeObject): [string, CrdVersion][] {
  if (!isJsonObject(spec) || !isJsonObject(spec.names)) return []
  const { group, scope } = spec
  const { kind, plural } = spec.names
  if (typeof group !== 'string' || typeof kind !== 'string' || typeof plural !== 'string') return []
  const versions = Array.isArray(spec.versions) ? spec.versions.filter(isJsonObject) : []
  return versions.flatMap(({ name, served, schema }): [string, CrdVersion][] => {
    if (typeof name !== 'string') return []
    const resource = { group, version: name, kind, plural, namespaced: scope === 'Namespaced' }
    const openApi = isJsonObject(schema) && isJsonObject(schema.openAPIV3Schema) ? schema.openAPIV3Schema : undefined
    return [[`${group}/${name} ${kind}`, { resource, served: served === true, schema: openApi }]]
  })
}
