import { type KubeObject, objectKey } from '../../contract/artifact/objects.ts'
import { AccessReviews } from '../cluster/access.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { resolveResources } from '../cluster/resolve-resources.ts'
import type { InventoryEntry } from '../kinds.ts'
import { claimOf } from './claim.ts'
import { deferralOf, isRoleAbsent, type SetFacts, setFacts } from './deferral.ts'
import { type DesiredObject, prepare } from './desired.ts'
import { dryRunObject } from './dry-run.ts'
import type { Inventory } from './inventory.ts'
import { leaveToOthers } from './leave-to-others.ts'
import { type LookedEntry, lookAtLeftover } from './leftovers.ts'
import { type Live, lookAt } from './live.ts'
import { otherDeliveries } from './other-deliveries.ts'
import { isOurs } from './ownership.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'
import { SchemaCheck } from './schema-check.ts'

export type { LookedEntry } from './leftovers.ts'

/** What the cluster said of one desired object. */
export type Looked = {
  readonly desired: DesiredObject
  /** As it is; undefined: there is none, or it cannot be looked at yet. */
  readonly live: KubeObject | undefined
  /** As it would be after our apply; undefined: not asked, refused, or deferred. */
  readonly dryRun: KubeObject | undefined
  /** Why the dry run has to wait for its stage. */
  readonly deferred?: Deferral
  /** The server, an access review or a schema refuses it. */
  readonly refusal?: Refusal
  /** Its API does not answer: neither yes nor no. */
  readonly failure?: Refusal
  /** The other Delivery that owns it, where one does. */
  readonly otherDelivery?: string
}

/** What of the same set has to be there first: the namespace, the CRD, the Role of a binding, what a Pod refers to. */
export type Deferral = 'namespace' | 'kind' | 'role' | 'reference'

/** Everything that planning rests on. Plain data. */
export type Gathered = {
  readonly objects: readonly Looked[]
  readonly leftovers: readonly LookedEntry[]
}

/** Requests in flight at once: more does not make the API server faster (FACTS.md: 16 and 32 take the same time). */
export const AT_ONCE = 16

type Asking = {
  readonly context: PlanContext
  readonly inventory: Inventory
  readonly cluster: Cluster
  readonly schemas: SchemaCheck
  readonly reviews: AccessReviews
  readonly signal: AbortSignal | undefined
}

/**
 * Looks, as the account, and writes nothing: for each object GET and a server dry run, access reviews and schemas for
 * what cannot be dry-run yet; for each entry that is no longer desired GET and a dry-run delete.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH; what concerns one object is data
 */
export async function gather(
  context: PlanContext,
  objects: readonly KubeObject[],
  inventory: Inventory,
  cluster: Cluster,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Gathered> {
  const asking: Asking = {
    context,
    inventory,
    cluster,
    schemas: new SchemaCheck(cluster),
    reviews: new AccessReviews(cluster, context.account),
    signal,
  }
  const { resources, broken } = await resolveResources(cluster, objects)
  const prepared = prepare(objects, context, resources)
  const lives = await inParallel(prepared, AT_ONCE, (one) => lookAt(cluster, context.account, one, broken, signal))
  const desired = prepared.map((one, i) => leaveToOthers(context.ignore, one, lives[i]?.object))
  const facts = setFacts(desired.map((one, i) => ({ desired: one, absent: isAbsent(lives[i]) })))
  const others = await othersIfNeeded(asking, desired, lives)
  const looked = await inParallel(desired, AT_ONCE, async (one, i): Promise<Looked> => {
    const live = lives[i] ?? {}
    const seen = { desired: one, live: live.object, dryRun: undefined }
    if (live.refusal !== undefined) return { ...seen, refusal: live.refusal }
    if (live.failure !== undefined) return { ...seen, failure: live.failure }
    const otherDelivery = others.get(one.key)
    if (otherDelivery !== undefined) return { ...seen, otherDelivery }
    const foreign = live.object !== undefined && !isOursHere(asking, one, live.object)
    if (foreign && context.adopt === 'never') return seen
    return { ...seen, ...(await foresee(asking, one, live.object, facts)) }
  })
  const kept = new Set(desired.map(({ key }) => key))
  const leaving = context.prune.enabled ? [...inventory.entries.values()].filter((e) => !kept.has(objectKey(e))) : []
  const leftovers = await inParallel(leaving, AT_ONCE, (entry) =>
    lookAtLeftover(cluster, context.account, entry, isClaimedWith(asking, entry), signal),
  )
  return { objects: looked, leftovers }
}

function isAbsent(live: Live | undefined): boolean {
  return live?.object === undefined && live?.refusal === undefined && live?.failure === undefined
}

function isOursHere({ context, inventory }: Asking, { key }: DesiredObject, live: KubeObject): boolean {
  return isOurs(inventory.entries.get(key), live, claimOf(context.claimKey, context.delivery.uid, key))
}

function isClaimedWith({ context }: Asking, entry: InventoryEntry): (live: KubeObject) => boolean {
  return (live) => isOurs(entry, live, claimOf(context.claimKey, context.delivery.uid, objectKey(entry)))
}

/** Other Deliveries' inventories are read only where something exists that is not ours. */
async function othersIfNeeded(
  asking: Asking,
  desired: readonly DesiredObject[],
  lives: readonly Live[],
): Promise<ReadonlyMap<string, string>> {
  const foreign = desired.filter((one, i) => {
    const live = lives[i]?.object
    return live !== undefined && !isOursHere(asking, one, live)
  })
  if (foreign.length === 0) return new Map()
  const all = await otherDeliveries(asking.cluster, asking.context.delivery)
  return new Map(foreign.flatMap(({ key }) => (all.has(key) ? [[key, all.get(key) ?? '']] : [])))
}

type Foreseen = Pick<Looked, 'dryRun' | 'deferred' | 'refusal' | 'failure'>

/** What our apply would do, from a dry run or, where that has to wait, from access reviews and schemas. */
async function foresee(
  asking: Asking,
  desired: DesiredObject,
  live: KubeObject | undefined,
  facts: SetFacts,
): Promise<Foreseen> {
  const { cluster, context, schemas, signal } = asking
  const early = deferralOf(desired, live, facts)
  const { resource } = desired
  if (early !== undefined || resource === undefined) return review(asking, desired, early ?? 'kind')
  const expecting = live === undefined ? 'absent' : { uid: String(live.metadata.uid) }
  const dryRun = await dryRunObject(cluster, context.account, resource, desired, expecting, schemas, signal)
  if ('result' in dryRun) return { dryRun: dryRun.result }
  const { answer, verdict } = dryRun
  // The CRD in the set may say something else than the one in the cluster.
  if (desired.crd !== undefined && [400, 422, 500].includes(answer.status)) return review(asking, desired, 'kind')
  if (isRoleAbsent(desired, facts) && [403, 404].includes(answer.status)) return review(asking, desired, 'role')
  return {
    dryRun: undefined,
    ...(verdict.result === 'refused' ? { refusal: verdict.refusal } : { failure: verdict.refusal }),
  }
}

/** All that can be said of an object before what it needs is there. */
async function review(asking: Asking, desired: DesiredObject, deferred: Deferral): Promise<Foreseen> {
  const { reviews, schemas } = asking
  const { resource, id, name } = desired
  const refuse = (code: Refusal['code'], message: string): Foreseen => ({
    dryRun: undefined,
    deferred,
    refusal: { object: name, code, message },
  })
  if (resource === undefined) return refuse('KIND_UNKNOWN', 'the cluster does not know its kind')
  const denied: string[] = []
  // RBAC sees no name in a create, and one in an apply.
  if (!(await reviews.may('create', resource, id.namespace))) denied.push('create')
  if (!(await reviews.may('patch', resource, id.namespace, id.name))) denied.push('patch')
  if (denied.length > 0) return refuse('OBJECT_FORBIDDEN', `the service account may not ${denied.join(' and ')} it`)
  const faults = await schemas.faultsOf(desired)
  if (faults !== undefined && faults.length > 0) return refuse('OBJECT_REFUSED', faults.join('; '))
  return { dryRun: undefined, deferred }
}
