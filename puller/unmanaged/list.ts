import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { ORDER_ANNOTATION } from '../../contract/ordering/annotations.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, Identity, Resource } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { collectionPath, objectUrl } from '../cluster/resources.ts'
import { ANNOTATION, LABELS } from '../kinds.ts'
import { managedEntries } from '../plan/managed-fields.ts'
import { isLeftOut, type Seen } from './find.ts'

const AT_ONCE = 8
const PAGE = '500'
const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

/**
 * The metadata of everything in these namespaces that can be listed and deleted, as the account. `unseen`: kinds that it may not list, or
 * that do not answer, as `Kind.group namespace`.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH, CLUSTER_FAILED
 */
export async function listNamespaces(
  cluster: Cluster,
  account: Identity,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly seen: readonly Seen[]; readonly unseen: readonly string[] }> {
  const resources = await namespacedResources(cluster)
  const places = namespaces.flatMap((namespace) => resources.map((resource) => ({ resource, namespace })))
  const listed = await inParallel(places, AT_ONCE, ({ resource, namespace }) =>
    listKind(cluster, account, resource, namespace, signal),
  )
  const unseen = places.filter((_, i) => listed[i] === undefined)
  return {
    seen: listed.flatMap((found) => found ?? []),
    unseen: unseen
      .map(({ resource: { kind, group }, namespace }) => `${kind}${group === '' ? '' : `.${group}`} ${namespace}`)
      .sort(),
  }
}

/** Each namespaced kind of which anything may be reported, once, in the version that the server prefers. */
async function namespacedResources(cluster: Cluster): Promise<readonly Resource[]> {
  const found = new Map<string, Resource>()
  for (const path of ['/api', '/apis']) {
    const { status, body } = await cluster.request('puller', { method: 'GET', path, accept: DISCOVERY })
    if (status !== 200 || !Array.isArray(body.items))
      throw new WaybillError('CLUSTER_FAILED', `asking which kinds there are: ${answerReason({ status, body })}`)
    for (const resource of body.items.filter(isJsonObject).flatMap(resourcesOf)) {
      const key = `${resource.group}/${resource.kind}`
      if (!found.has(key) && !isLeftOut(resource)) found.set(key, resource)
    }
  }
  return [...found.values()]
}

/** Of one group, the preferred version first. */
function resourcesOf({ metadata, versions }: JsonObject): Resource[] {
  const group = isJsonObject(metadata) && typeof metadata.name === 'string' ? metadata.name : ''
  return (Array.isArray(versions) ? versions : []).filter(isJsonObject).flatMap(({ version, resources }) =>
    (Array.isArray(resources) ? resources : []).filter(isJsonObject).flatMap((one): Resource[] => {
      const { resource: plural, responseKind, scope, verbs } = one
      const kind = isJsonObject(responseKind) ? responseKind.kind : undefined
      const can = (verb: string) => Array.isArray(verbs) && verbs.includes(verb)
      if (typeof version !== 'string' || typeof plural !== 'string' || typeof kind !== 'string') return []
      if (scope !== 'Namespaced' || !can('list') || !can('delete')) return []
      return [{ group, version, kind, plural, namespaced: true }]
    }),
  )
}

/** Undefined: the account may not, or nobody answers. */
async function listKind(
  cluster: Cluster,
  account: Identity,
  resource: Resource,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly Seen[] | undefined> {
  const found: Seen[] = []
  for (let token = ''; ; ) {
    const answer = await cluster.request(account, {
      method: 'GET',
      path: collectionPath(resource, namespace),
      query: { limit: PAGE, ...(token !== '' && { continue: token }) },
      accept: METADATA,
      signal,
    })
    if (answer.status !== 200) return undefined
    const { items, metadata } = answer.body
    found.push(...(Array.isArray(items) ? items : []).flatMap((item) => seenOf(resource, namespace, item)))
    token = isJsonObject(metadata) && typeof metadata.continue === 'string' ? metadata.continue : ''
    if (token === '') return found
  }
}

function seenOf(resource: Resource, namespace: string, item: Json): Seen[] {
  const metadata = isJsonObject(item) && isJsonObject(item.metadata) ? item.metadata : {}
  const { name, uid, resourceVersion, annotations, deletionTimestamp } = metadata
  // What is on its way out is nobody's business.
  if (typeof name !== 'string' || typeof uid !== 'string' || deletionTimestamp !== undefined) return []
  const id = { group: resource.group, kind: resource.kind, namespace, name }
  return [
    {
      id,
      uid,
      path: objectUrl(resource, id),
      resourceVersion: String(resourceVersion ?? ''),
      annotations: Object.keys(isJsonObject(annotations) ? annotations : {}),
      ...whoseOf(resource, metadata),
    },
  ]
}

/** Whose an object is, by its metadata. Pure. */
export function whoseOf(
  { group, kind }: Pick<Resource, 'group' | 'kind'>,
  metadata: JsonObject,
): Pick<Seen, 'isOwned' | 'isKept' | 'mark'> {
  const { ownerReferences, labels, annotations } = metadata
  const [label, annotation] = [labels, annotations].map((one) => (isJsonObject(one) ? one : {}))
  const hasOwner = Array.isArray(ownerReferences) && ownerReferences.length > 0
  return {
    isOwned: hasOwner || (group === '' && kind === 'PersistentVolumeClaim' && isMadeByController(metadata)),
    isKept: annotation?.[ORDER_ANNOTATION.prune] === 'never',
    mark: JSON.stringify([label?.[LABELS.partOf] ?? '', annotation?.[ANNOTATION.claim] ?? '']),
  }
}

/** A claim that a StatefulSet asked for has no owner, unless it is to go with it; that the controller manager made it shows in who declared its modes. */
function isMadeByController(metadata: JsonObject): boolean {
  return managedEntries({ metadata }).some(({ manager, subresource, fields }) => {
    const spec = fields['f:spec']
    return (
      manager === 'kube-controller-manager' &&
      subresource === '' &&
      isJsonObject(spec) &&
      spec['f:accessModes'] !== undefined
    )
  })
}
