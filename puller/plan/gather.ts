import { type KubeObject, objectKey } from '../../contract/artifact/objects.ts'
import { AccessReviews } from '../cluster/access.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { AT_ONCE, inParallel } from '../cluster/in-parallel.ts'
import { resolveResources } from '../cluster/resolve-resources.ts'
import { glassReason } from '../drift/break-glass.ts'
import { intrusions, withoutPaths } from '../drift/intrusion.ts'
import type { Known } from '../drift/known.ts'
import type { InventoryEntry } from '../kinds.ts'
import { claimWhenNeeded } from './claim.ts'
import { deferralOf, isRoleAbsent, type SetFacts, setFacts } from './deferral.ts'
import { type DesiredObject, prepare, type ResourceMap } from './desired.ts'
import { differenceOf } from './diff.ts'
import { dryRunObject } from './dry-run.ts'
import { ignoreTest } from './ignore.ts'
import type { Inventory } from './inventory.ts'
import { leaveToOthers } from './leave-to-others.ts'
import { type LookedEntry, lookAtLeftover } from './leftovers.ts'
import { type Live, lookAt } from './live.ts'
import { lookAtAll } from './look-at-all.ts'
import { otherDeliveries } from './other-deliveries.ts'
import { isOurs } from './ownership.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'
import { foreseeReplacement, mayReplace } from './replacement.ts'
import { cleanedUpAfter, endOf, type RunState, runStateOf } from './runs.ts'
import { SchemaCheck } from './schema-check.ts'

export { AT_ONCE } from '../cluster/in-parallel.ts'
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
  /** Of a Job that runs once: it ran already, or what is there ran for another release. */
  readonly run?: RunState
  /** It gives way to a new one of its name, which the server would take. */
  readonly replace?: true
  /** Others put something into its pod template, which `dryRun` is without. */
  readonly reclaims?: true
  /** Why somebody broke its glass; `live` and `dryRun` are there, whether or not anything else differs. */
  readonly breakGlass?: string
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

type Asking = {
  readonly context: PlanContext
  readonly inventory: Inventory
  readonly cluster: Cluster
  readonly schemas: SchemaCheck
  readonly reviews: AccessReviews
  readonly signal: AbortSignal | undefined
}

/** What earlier looks, writes and watches left, so that not everything has to be asked for. */
export type Recall = Known & {
  /** These objects as the last look prepared them, where it wanted the same. */
  prepared(objects: readonly KubeObject[]): readonly DesiredObject[] | undefined
  prepare(
    objects: readonly KubeObject[],
    resources: ResourceMap,
    make: () => readonly DesiredObject[],
  ): readonly DesiredObject[]
  /** What was found different, or gone, and is left so: as it was looked at, while no watch shows anything else. */
  left(desired: DesiredObject): Looked | undefined
  found(desired: DesiredObject, looked: Looked): void
  /** A run that is done: nobody asks for its Job again. */
  isDone(desired: DesiredObject): boolean
  ran(desired: DesiredObject): void
  /** Called before anything is asked as the account. */
  readonly beforeAsking?: (() => Promise<void>) | undefined
}

/**
 * Looks, as the account, and writes nothing: for each object that is not known to be as it is wanted what is there and a server dry run, access reviews and schemas for
 * what cannot be dry-run yet; for each entry that is no longer desired GET and a dry-run delete.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH; what concerns one object is data
 */
export async function gather(
  context: PlanContext,
  objects: readonly KubeObject[],
  inventory: Inventory,
  cluster: Cluster,
  { signal, recall }: { readonly signal?: AbortSignal; readonly recall?: Recall | undefined } = {},
): Promise<Gathered> {
  const asking: Asking = {
    context,
    inventory,
    cluster,
    schemas: new SchemaCheck(cluster),
    reviews: new AccessReviews(cluster, context.account),
    signal,
  }
  const remembered = settledBefore(asking, objects, recall)
  if (remembered !== undefined) return { objects: remembered, leftovers: [] }
  const { resources, broken } = await resolveResources(cluster, objects)
  const make = () => prepare(objects, context, resources)
  const prepared = recall === undefined ? make() : recall.prepare(objects, resources, make)
  const settled = new Map(prepared.flatMap((one) => asPair(one.key, settledNow(asking, one, recall))))
  const unknown = prepared.filter(({ key }) => !settled.has(key))
  await recall?.beforeAsking?.()
  const lives = new Map(await lookAtAll(asking, unknown, broken))
  const isThere = (one: DesiredObject) => {
    const known = settled.get(one.key)
    return known === undefined ? !isAbsent(lives.get(one.key)) : known.live !== undefined || known.run !== undefined
  }
  const facts = setFacts(prepared.map((one) => ({ desired: one, absent: !isThere(one) })))
  const lookAtThese = async (these: readonly DesiredObject[]) => {
    const desired = these.map((one) => leaveToOthers(context.ignore, one, lives.get(one.key)?.object))
    const others = await othersIfNeeded(asking, desired, lives)
    const looked = await inParallel(desired, AT_ONCE, (one) =>
      lookAtOne(asking, one, lives.get(one.key) ?? {}, { others, facts }),
    )
    return looked.map((one, i) => settle(asking, these[i], one, recall))
  }
  const first = await lookAtThese(unknown)
  // What was taken for absent and cannot simply be created may be there after all.
  const doubted = unknown.filter((one, i) => lives.get(one.key)?.assumed === true && isDoubtful(first[i]))
  for (const { key, ...seen } of await inParallel(doubted, AT_ONCE, async (one) => ({
    key: one.key,
    ...(await lookAt(cluster, context.account, one, broken, signal)),
  })))
    lives.set(key, seen)
  const there = doubted.filter(({ key }) => !isAbsent(lives.get(key)))
  const second = there.length === 0 ? [] : await lookAtThese(there)
  const looked = new Map([...first, ...second].map((one) => [one.desired.key, one]))
  const kept = new Set(prepared.map(({ key }) => key))
  const leaving = context.prune.enabled ? [...inventory.entries.values()].filter((e) => !kept.has(objectKey(e))) : []
  const leftovers = await inParallel(leaving, AT_ONCE, (entry) =>
    lookAtLeftover(cluster, context.account, entry, isClaimedWith(asking, entry), signal),
  )
  return { objects: prepared.flatMap(({ key }) => settled.get(key) ?? looked.get(key) ?? []), leftovers }
}

function asPair<T>(key: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[key, value]]
}

/** Everything, where the last look wanted the same and all of it is known to be so: nobody has to be asked. */
function settledBefore(
  asking: Asking,
  objects: readonly KubeObject[],
  recall: Recall | undefined,
): readonly Looked[] | undefined {
  const prepared = recall?.prepared(objects)
  if (prepared === undefined) return undefined
  const { context, inventory } = asking
  const keys = new Set(prepared.map(({ key }) => key))
  if (context.prune.enabled && [...inventory.entries.keys()].some((key) => !keys.has(key))) return undefined
  const looked = prepared.flatMap((one) => settledNow(asking, one, recall) ?? [])
  return looked.length === prepared.length ? looked : undefined
}

/** Of one object, what needs no question. */
function settledNow(asking: Asking, one: DesiredObject, recall: Recall | undefined): Looked | undefined {
  if (recall?.isDone(one) === true) return { desired: one, live: undefined, dryRun: undefined, run: 'done' }
  const live = recall?.converged(one)
  if (live === undefined) return leftBefore(asking, one, recall?.left(one))
  if (!isOursHere(asking, one, live)) return undefined
  const run = runHere(asking, one, live)
  if (run === 'stale') return undefined
  return { desired: one, live, dryRun: undefined, ...(run === 'done' || run === 'failed' ? { run } : {}) }
}

function leftBefore(asking: Asking, { key }: DesiredObject, looked: Looked | undefined): Looked | undefined {
  if (looked === undefined) return undefined
  const isKnown = looked.live === undefined ? wasMade(asking, key) : isOursHere(asking, looked.desired, looked.live)
  return isKnown ? looked : undefined
}

/** What is in the inventory with its uid is labelled, so that a watch shows it where it is there. */
function wasMade({ inventory }: Asking, key: string): boolean {
  return inventory.entries.get(key)?.uid !== undefined
}

function isToBeCleanedUp(desired: DesiredObject, live: KubeObject | undefined): boolean {
  return live !== undefined && cleanedUpAfter(desired, endOf(live))
}

/** Remembers what is as it is wanted, and lets go of what the plan does not need: there may be ten thousand. */
function settle(
  asking: Asking,
  prepared: DesiredObject | undefined,
  looked: Looked,
  recall: Recall | undefined,
): Looked {
  const { desired, live, dryRun, run } = looked
  if (run === 'done' && prepared !== undefined && !isToBeCleanedUp(desired, live)) recall?.ran(prepared)
  if (live === undefined) {
    const gone = { ...looked, dryRun: undefined }
    if (prepared !== undefined && isForeseen(looked) && wasMade(asking, prepared.key)) recall?.found(prepared, gone)
    return gone
  }
  if (dryRun === undefined || prepared === undefined || !isOursHere(asking, desired, live)) return looked
  const ignored = ignoreTest(asking.context.ignore, { id: desired.id, declared: desired.declared ?? desired.object })
  const intruded = intrusions(desired.id, live, ignored)
  const foreseen = intruded.length === 0 ? dryRun : withoutPaths(dryRun, intruded)
  const { fields, manager } = differenceOf(live, foreseen, ignored)
  const breakGlass = asking.context.guard === true ? glassReason(live) : undefined
  if (fields.length > 0 || breakGlass !== undefined) {
    recall?.differs(prepared, manager, live)
    const differing: Looked = {
      ...looked,
      ...(intruded.length === 0 ? {} : { dryRun: foreseen, reclaims: true }),
      ...(breakGlass === undefined ? {} : { breakGlass }),
    }
    if (isForeseen(looked)) recall?.found(prepared, differing)
    return differing
  }
  recall?.compared(prepared, live)
  const { managedFields: _, ...metadata } = live.metadata
  const { apiVersion, kind } = live
  return { ...looked, live: { apiVersion, kind, metadata: { ...metadata, name: desired.id.name } }, dryRun: undefined }
}

/** A dry run said what would become of it, and nothing stands in its way. */
function isForeseen({ dryRun, deferred, refusal, failure, run, replace, otherDelivery }: Looked): boolean {
  return (
    dryRun !== undefined &&
    [deferred, refusal, failure, run, replace, otherDelivery].every((obstacle) => obstacle === undefined)
  )
}

function isDoubtful(looked: Looked | undefined): boolean {
  return (
    looked?.refusal !== undefined ||
    looked?.failure !== undefined ||
    looked?.deferred === 'role' ||
    looked?.deferred === 'reference'
  )
}

async function lookAtOne(
  asking: Asking,
  one: DesiredObject,
  live: Live,
  { others, facts }: { readonly others: ReadonlyMap<string, string>; readonly facts: SetFacts },
): Promise<Looked> {
  const { cluster, context, signal } = asking
  const seen = { desired: one, live: live.object, dryRun: undefined }
  if (live.refusal !== undefined) return { ...seen, refusal: live.refusal }
  if (live.failure !== undefined) return { ...seen, failure: live.failure }
  const run = runHere(asking, one, live.object)
  if (run === 'done' || run === 'failed') return { ...seen, run }
  const otherDelivery = others.get(one.key)
  if (otherDelivery !== undefined) return { ...seen, otherDelivery }
  const foreign = live.object !== undefined && !isOursHere(asking, one, live.object)
  if (foreign && context.adopt === 'never') return seen
  if (run === 'stale' && live.object !== undefined)
    return { ...seen, run, ...(await foreseeReplacement(cluster, context.account, one, live.object, signal)) }
  return { ...seen, ...(await foresee(asking, one, live.object, facts)) }
}

function isAbsent(live: Live | undefined): boolean {
  return live?.object === undefined && live?.refusal === undefined && live?.failure === undefined
}

function isOursHere({ context, inventory }: Asking, { key }: DesiredObject, live: KubeObject): boolean {
  return isOurs(inventory.entries.get(key), live, claimWhenNeeded(context.claimKey, context.delivery.uid, key))
}

function runHere(asking: Asking, one: DesiredObject, object: KubeObject | undefined): RunState | undefined {
  const { context, inventory } = asking
  const isOurs = object !== undefined && isOursHere(asking, one, object)
  return runStateOf(context, one, inventory.entries.get(one.key), { object, isOurs })
}

function isClaimedWith({ context }: Asking, entry: InventoryEntry): (live: KubeObject) => boolean {
  return (live) => isOurs(entry, live, claimWhenNeeded(context.claimKey, context.delivery.uid, objectKey(entry)))
}

/** Other Deliveries' inventories are read only where something exists that is not ours. */
async function othersIfNeeded(
  asking: Asking,
  desired: readonly DesiredObject[],
  lives: ReadonlyMap<string, Live>,
): Promise<ReadonlyMap<string, string>> {
  const foreign = desired.filter((one) => {
    const live = lives.get(one.key)?.object
    return live !== undefined && !isOursHere(asking, one, live)
  })
  if (foreign.length === 0) return new Map()
  const all = await otherDeliveries(asking.cluster, asking.context.delivery)
  return new Map(foreign.flatMap(({ key }) => (all.has(key) ? [[key, all.get(key) ?? '']] : [])))
}

type Foreseen = Pick<Looked, 'dryRun' | 'deferred' | 'refusal' | 'failure' | 'replace'>

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
  if (live !== undefined && isOursHere(asking, desired, live) && mayReplace(context, desired, verdict))
    return foreseeReplacement(cluster, context.account, desired, live, signal)
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
