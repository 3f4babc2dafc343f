import { objectName } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { type AccessVerb, mayDo } from '../cluster/access.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster, Resource } from '../cluster/cluster-port.ts'
import { AT_ONCE, inParallel } from '../cluster/in-parallel.ts'
import { collectionPath } from '../cluster/resources.ts'
import { listAll } from '../cluster/watch.ts'
import { PULLER_ACCOUNT } from '../install/identity.ts'
import { PART_OF } from '../install/part-of.ts'
import { GROUP, LABELS } from '../kinds.ts'
import { DELIVERIES_PATH, type DeliveryHeader, parseHeader, TRUST_POLICIES_PATH } from '../observe.ts'
import { DEFAULT_NAMESPACE } from '../records/keys.ts'
import { recordsPath } from '../records/record.ts'
import { findUnmanaged } from '../unmanaged/find.ts'
import { listNamespaces } from '../unmanaged/list.ts'
import { isWaybills, type Part, PLACES, type Place, type Target } from './parts.ts'

/** `deletes`: its `deletion` is `delete`. */
export type FoundDelivery = DeliveryHeader & { readonly deletes: boolean }

/** What of Waybill is in a cluster. */
export type Survey = {
  /** The puller's own. */
  readonly namespace: string
  readonly targets: Readonly<Record<Part, readonly Target[]>>
  readonly deliveries: readonly FoundDelivery[]
  readonly policies: number
  readonly records: number
  /** Why the puller's namespace stays: it was not made by `install`, or holds what is not Waybill's. */
  readonly stays?: { readonly why: 'not-ours' | 'holds'; readonly objects: readonly string[] }
}

/**
 * Where the puller is: as the ClusterRoleBinding of its rights says, or where that is gone, as `given`.
 * @throws WaybillError USAGE where `given` is another one
 */
export async function pullerNamespace(cluster: Cluster, given: string | undefined): Promise<string> {
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${PULLER_ACCOUNT}`
  const { body } = await cluster.request('puller', { method: 'GET', path })
  const subjects = Array.isArray(body.subjects) ? body.subjects.filter(isJsonObject) : []
  const account = subjects.find(({ kind, name }) => kind === 'ServiceAccount' && name === PULLER_ACCOUNT)
  const found = typeof account?.namespace === 'string' ? account.namespace : undefined
  if (given !== undefined && found !== undefined && given !== found)
    throw new WaybillError('USAGE', `the puller of this cluster is in namespace ${found}, not in ${given}`)
  return given ?? found ?? DEFAULT_NAMESPACE
}

/**
 * Looks for what is Waybill's own, as the person who asks. Writes nothing.
 * @throws WaybillError CLUSTER_FORBIDDEN with every right that is missing to look, or to remove what was found; CLUSTER_FAILED
 */
export async function survey(cluster: Cluster, namespace: string): Promise<Survey> {
  const missing: string[] = []
  const targets: Record<Part, Target[]> = { puller: [], rights: [], policies: [], kinds: [], rest: [], namespace: [] }
  for (const place of PLACES) {
    const resource = await cluster.resource(place.apiVersion, place.kind)
    if (resource === undefined) continue
    const found = await listTargets(cluster, place, resource, namespace)
    if (found === 'forbidden') missing.push(rightName('list', resource, place.where === 'own' ? namespace : ''))
    else targets[place.part].push(...found)
  }
  const known = new Set(targets.rights.map(({ uid }) => uid))
  targets.rest = targets.rest.filter(({ uid }) => !known.has(uid))
  const has = (plural: string) => targets.kinds.some(({ name }) => name === `${plural}.${GROUP}`)
  const listed = async (plural: string, path: string): Promise<readonly JsonObject[]> => {
    try {
      return has(plural) ? (await listAll(cluster, path)).items : []
    } catch (error) {
      if (hasCode(error, 'CLUSTER_NOT_INSTALLED')) return []
      if (!hasCode(error, 'CLUSTER_FORBIDDEN')) throw error
      missing.push(`list ${plural}.${GROUP}`)
      return []
    }
  }
  const deliveries = (await listed('deliveries', DELIVERIES_PATH)).map((object) => ({
    ...parseHeader(object),
    deletes: isJsonObject(object.spec) && object.spec.deletion === 'delete',
  }))
  const policies = (await listed('trustpolicies', TRUST_POLICIES_PATH)).length
  const records = has('deliveryrecords') ? await countRecords(cluster) : 0
  const own = await lookAtNamespace(cluster, namespace, targets)
  if (own === 'forbidden') missing.push('get namespaces')
  else if (own.target !== undefined) targets.namespace.push(own.target)
  missing.push(...(await missingRights(cluster, targets, deliveries)))
  if (missing.length > 0)
    throw new WaybillError('CLUSTER_FORBIDDEN', `you may not: ${[...new Set(missing)].join(', ')}`, {
      hint: 'Ask for the missing rights, or have an administrator of the cluster do it. Nothing was removed.',
    })
  const stays = own === 'forbidden' ? undefined : own.stays
  return { namespace, targets, deliveries, policies, records, ...(stays === undefined ? {} : { stays }) }
}

async function countRecords(cluster: Cluster): Promise<number> {
  const answer = await cluster.request('puller', { method: 'GET', path: recordsPath(), query: { limit: '1' } })
  if (answer.status === 404) return 0
  if (answer.status !== 200) throw answerError('the records', answer)
  const { items, metadata } = answer.body
  const more = isJsonObject(metadata) ? metadata.remainingItemCount : undefined
  return (Array.isArray(items) ? items.length : 0) + (typeof more === 'number' ? more : 0)
}

/** True where nothing of Waybill is left. */
export function isNothing({ targets }: Pick<Survey, 'targets'>): boolean {
  return Object.values(targets).every((part) => part.length === 0)
}

async function listTargets(
  cluster: Cluster,
  place: Place,
  resource: Resource,
  namespace: string,
): Promise<readonly Target[] | 'forbidden'> {
  const path = collectionPath(resource, place.where === 'own' ? namespace : '')
  try {
    const { items } = await listAll(cluster, path)
    return items.filter((object) => isWaybills(place, object)).map((object) => targetOf(resource, object))
  } catch (error) {
    if (hasCode(error, 'CLUSTER_NOT_INSTALLED')) return []
    if (hasCode(error, 'CLUSTER_FORBIDDEN')) return 'forbidden'
    throw error
  }
}

function targetOf(resource: Resource, { metadata }: JsonObject): Target {
  const { name, namespace, uid, labels } = isJsonObject(metadata) ? metadata : {}
  const isDelivered = isJsonObject(labels) && labels[LABELS.partOf] !== undefined
  return { resource, namespace: String(namespace ?? ''), name: String(name), uid: String(uid), isDelivered }
}

/** The puller's namespace goes where `install` made it and nothing of anybody else is in it. */
export async function lookAtNamespace(
  cluster: Cluster,
  namespace: string,
  targets: Readonly<Record<Part, readonly Target[]>>,
): Promise<{ readonly target?: Target; readonly stays?: NonNullable<Survey['stays']> } | 'forbidden'> {
  const resource = await cluster.resource('v1', 'Namespace')
  const answer = await cluster.request('puller', {
    method: 'GET',
    path: `/api/v1/namespaces/${encodeURIComponent(namespace)}`,
  })
  if (answer.status === 404 || resource === undefined) return {}
  if (answer.status === 403) return 'forbidden'
  if (answer.status !== 200) throw answerError(`Namespace ${namespace}`, answer)
  const metadata = isJsonObject(answer.body.metadata) ? answer.body.metadata : {}
  const labels = isJsonObject(metadata.labels) ? metadata.labels : {}
  const isOurs = namespace === DEFAULT_NAMESPACE || Object.entries(PART_OF).every(([key, of]) => labels[key] === of)
  const ours = Object.values(targets).flat()
  // Where nothing else of Waybill is, a namespace of some name is not evidence of it.
  if (!isOurs) return ours.some((one) => one.namespace === namespace) ? { stays: { why: 'not-ours', objects: [] } } : {}
  const { seen, unseen } = await listNamespaces(cluster, 'puller', [namespace], new AbortController().signal)
  const known = new Set(ours.map(({ uid }) => uid))
  const { objects } = findUnmanaged(seen, { inventories: new Map(), needed: [], ignore: [] })
  const foreign = objects.filter(({ uid }) => !known.has(uid)).map(({ id }) => objectName(id))
  const holds = [...foreign, ...unseen.map((what) => `${what}, which you may not list`)]
  if (holds.length > 0) return { stays: { why: 'holds', objects: holds } }
  return { target: targetOf(resource, answer.body) }
}

async function missingRights(
  cluster: Cluster,
  targets: Readonly<Record<Part, readonly Target[]>>,
  deliveries: readonly FoundDelivery[],
): Promise<readonly string[]> {
  const wanted = new Map<
    string,
    { verb: AccessVerb; resource: Pick<Resource, 'group' | 'plural'>; namespace: string }
  >()
  const want = (verb: AccessVerb, resource: Pick<Resource, 'group' | 'plural'>, namespace: string) =>
    wanted.set(rightName(verb, resource, namespace), { verb, resource, namespace })
  for (const { resource, namespace } of Object.values(targets).flat()) want('delete', resource, namespace)
  for (const { namespace } of targets.puller) want('list', { group: '', plural: 'pods' }, namespace)
  if (deliveries.length > 0) want('patch', { group: GROUP, plural: 'deliveries' }, '')
  const asked = [...wanted]
  const may = await inParallel(asked, AT_ONCE, ([, { verb, resource, namespace }]) =>
    mayDo(cluster, 'puller', verb, resource, { namespace }),
  )
  return asked.flatMap(([name], i) => (may[i] === true ? [] : [name]))
}

function rightName(verb: AccessVerb, { plural, group }: Pick<Resource, 'group' | 'plural'>, namespace: string): string {
  return `${verb} ${plural}${group === '' ? '' : `.${group}`}${namespace === '' ? '' : ` in ${namespace}`}`
}
