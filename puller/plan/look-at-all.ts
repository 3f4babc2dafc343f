import { isKubeObject, type KubeObject, objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { hasCode } from '../../contract/errors.ts'
import type { Cluster, Resource } from '../cluster/cluster-port.ts'
import { AT_ONCE, inParallel } from '../cluster/in-parallel.ts'
import { apiVersionOf, collectionPath } from '../cluster/resources.ts'
import { LABELS } from '../kinds.ts'
import { applySetId, type DesiredObject } from './desired.ts'
import type { Inventory } from './inventory.ts'
import { type Live, lookAt, unfitFor } from './live.ts'
import type { PlanContext } from './plan-context.ts'

/** Kinds of which others in the set may have to know whether they are there (deferral.ts). */
const NEEDED: ReadonlySet<string> = new Set([
  '/Namespace',
  '/ServiceAccount',
  'apiextensions.k8s.io/CustomResourceDefinition',
  'rbac.authorization.k8s.io/Role',
  'rbac.authorization.k8s.io/ClusterRole',
  'scheduling.k8s.io/PriorityClass',
])

/** So many members of one kind and namespace are listed in the place of a GET for each. */
const LISTED_MIN = 3
const PAGE = '500'

/** `assumed`: nobody asked. It is in no inventory, and a create that is made for it changes nothing that exists. */
export type Seen = Live & { readonly assumed?: true }

/**
 * Finds what is there of each object, as the account, in as few requests as can be: members that the inventory knows are listed by the
 * ApplySet's label, what it does not know is taken for absent, and the rest is asked for one by one.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function lookAtAll(
  {
    context,
    cluster,
    inventory,
    signal,
  }: {
    readonly context: PlanContext
    readonly cluster: Cluster
    readonly inventory: Inventory
    readonly signal: AbortSignal | undefined
  },
  objects: readonly DesiredObject[],
  broken: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, Seen>> {
  const found = new Map<string, Seen>()
  const rest: DesiredObject[] = []
  const groups = new Map<string, DesiredObject[]>()
  for (const one of objects) {
    const { resource, id, key, kindInSet } = one
    const unfit = unfitFor(one, broken)
    if (unfit !== undefined) found.set(key, unfit)
    else if (!inventory.entries.has(key) && !kindInSet && !NEEDED.has(`${id.group}/${id.kind}`))
      found.set(key, { assumed: true })
    else if (resource === undefined || kindInSet || inventory.entries.get(key)?.uid === undefined) rest.push(one)
    else {
      const path = collectionPath(resource, id.namespace)
      groups.set(path, [...(groups.get(path) ?? []), one])
    }
  }
  for (const [path, members] of groups) {
    const listed = members.length < LISTED_MIN ? new Map() : await listMembers(context, cluster, path, members, signal)
    for (const one of members) {
      const object = listed.get(one.key)
      if (object === undefined) rest.push(one)
      else found.set(one.key, { object })
    }
  }
  const asked = await inParallel(rest, AT_ONCE, (one) => lookAt(cluster, context.account, one, broken, signal))
  for (const [i, one] of rest.entries()) found.set(one.key, asked[i] ?? {})
  return found
}

/** What the list shows of the members; empty where the account may not list, or the server does not answer. */
async function listMembers(
  { account, delivery }: PlanContext,
  cluster: Cluster,
  path: string,
  members: readonly DesiredObject[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, KubeObject>> {
  const found = new Map<string, KubeObject>()
  const wanted = new Set(members.map(({ key }) => key))
  const [resource] = members.map((one) => one.resource)
  if (resource === undefined) return found
  try {
    for (let token = ''; ; ) {
      const query = {
        labelSelector: `${LABELS.partOf}=${applySetId(delivery)}`,
        limit: PAGE,
        ...(token === '' ? {} : { continue: token }),
      }
      const answer = await cluster.request(account, { method: 'GET', path, query, ...(signal && { signal }) })
      if (answer.status !== 200) return new Map()
      for (const item of Array.isArray(answer.body.items) ? answer.body.items.filter(isJsonObject) : []) {
        const object = typed(resource, item)
        const key = object === undefined ? '' : keyOf(resource, object)
        if (object !== undefined && wanted.has(key)) found.set(key, object)
      }
      const metadata = isJsonObject(answer.body.metadata) ? answer.body.metadata : {}
      token = typeof metadata.continue === 'string' ? metadata.continue : ''
      if (token === '') return found
    }
  } catch (error) {
    if (hasCode(error, 'CLUSTER_FAILED')) return new Map()
    throw error
  }
}

/** Items of a list come without apiVersion and kind. */
function typed(resource: Resource, item: JsonObject): KubeObject | undefined {
  const object = { ...item, apiVersion: apiVersionOf(resource), kind: resource.kind }
  return isKubeObject(object) ? object : undefined
}

function keyOf({ group, kind }: Resource, { metadata }: KubeObject): string {
  return objectKey({ group, kind, namespace: metadata.namespace ?? '', name: metadata.name })
}
