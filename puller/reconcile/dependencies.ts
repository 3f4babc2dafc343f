import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { shortDigest } from '../../contract/digest.ts'
import type { Delivery } from '../kinds.ts'
import { parseHeader } from '../observe.ts'
import { highestVersion } from '../source/version-range.ts'

/** Whether the Deliveries that another one depends on are as it needs them, by their own status, as far as it may see them. */

type Dependency = NonNullable<Delivery['spec']['dependsOn']>[number]

const NAMES_LISTED_MAX = 8
/** So many Deliveries are looked at for a ring; one that is longer is told as any other wait. */
const RING_MAX = 256

/** What is waited for, for people. `forever`: those that depend on each other in a ring; only an edit ends that. */
export type DependencyWait = { readonly message: string; readonly forever?: true }

/** Whether the Delivery's service account may get that Delivery. */
export type MaySee = (namespace: string, name: string) => Promise<boolean>

type Waiting = Pick<Delivery, 'namespace' | 'name'> & {
  readonly spec: Pick<Delivery['spec'], 'dependsOn' | 'serviceAccountName'>
}

/**
 * Undefined: nothing is waited for. `all`: every Delivery of the cluster, as the API server has it. Of one that the account may not see nothing
 * is told, its existence included, be it waited for or part of a ring. Errors: those of `maySee`.
 */
export async function dependencyWait(
  { namespace, name, spec }: Waiting,
  all: readonly JsonObject[],
  maySee: MaySee,
): Promise<DependencyWait | undefined> {
  const byId = new Map(all.map((object) => [idOf(object), object]))
  const who = `${namespace}/${spec.serviceAccountName}`
  const faults = await Promise.all(
    (spec.dependsOn ?? []).map(async (dependency) => {
      const at = dependency.namespace ?? namespace
      const id = `${at}/${dependency.name}`
      const fault = (await maySee(at, dependency.name)) ? faultOf(byId.get(id), dependency) : unseen(who, at)
      return fault === undefined ? [] : [`${id} ${fault}`]
    }),
  )
  const missing = faults.flat()
  if (missing.length === 0) return undefined
  const own = `${namespace}/${name}`
  const cycle = await cycleOf(own, byId, maySee)
  if (cycle === undefined) return { message: `waits for Delivery ${missing.join(', and for ')}` }
  const middle = cycle.length - NAMES_LISTED_MAX
  const listed = middle > 0 ? [...cycle.slice(0, 4), `${middle} more`, ...cycle.slice(-4)] : cycle
  return { message: `it depends on itself, and waits for ever: ${listed.join(' → ')}`, forever: true }
}

/** The same whether there is such a Delivery or not. */
function unseen(account: string, namespace: string): string {
  return `which is not its to see: the service account may not get deliveries in ${namespace}; a Role there with get on deliveries.waybill.dev, bound to ${account}, lets it`
}

/** What is not as it has to be: health of the digest that it asks for, under the generation that it has. */
function faultOf(object: JsonObject | undefined, { version }: Dependency): string | undefined {
  if (object === undefined) return 'which does not exist'
  const { status, generation, deletedAt } = parseHeader(object)
  if (deletedAt !== undefined) return 'which is being deleted'
  const ready = status.conditions?.find(({ type }) => type === 'Ready')
  if (status.observedGeneration !== generation || ready?.observedGeneration !== generation)
    return 'which is new or was edited, and was not looked at yet'
  if (ready.status !== 'True') return `which is not ready: ${ready.reason}`
  const wanted = wantedDigest(object) ?? status.resolved?.digest
  const { applied } = status
  if (applied === undefined || wanted !== applied.digest)
    return `which does not run ${wanted === undefined ? 'what it asks for' : shortDigest(wanted)} yet`
  if (version === undefined) return undefined
  if (applied.version === undefined) return `which runs no version, and ${version} is needed`
  return highestVersion([applied.version], version) === undefined
    ? `which runs ${applied.version}, and ${version} is needed`
    : undefined
}

/** What the spec names by itself; a channel or a range leads to what the status says. */
function wantedDigest({ spec }: JsonObject) {
  const { hold, source } = isJsonObject(spec) ? spec : {}
  const named = isJsonObject(hold) ? hold.digest : isJsonObject(source) ? source.digest : undefined
  return typeof named === 'string' ? named : undefined
}

/** A way from a Delivery back to itself, both ends included, by way of what may be seen. */
async function cycleOf(
  own: string,
  byId: ReadonlyMap<string, JsonObject>,
  maySee: MaySee,
): Promise<readonly string[] | undefined> {
  const cameFrom = new Map<string, string>()
  const queue = [own]
  for (const at of queue)
    for (const to of dependsOn(byId.get(at))) {
      if (cameFrom.has(to)) continue
      cameFrom.set(to, at)
      if (to === own) return wayBack(own, cameFrom)
      const [namespace = '', name = ''] = to.split('/')
      if (cameFrom.size <= RING_MAX && (await maySee(namespace, name))) queue.push(to)
    }
  return undefined
}

function wayBack(own: string, cameFrom: ReadonlyMap<string, string>): readonly string[] {
  const way = [own]
  for (let at = cameFrom.get(own); at !== undefined && at !== own; at = cameFrom.get(at)) way.push(at)
  return [...way, own].reverse()
}

/** `namespace/name` of what a Delivery depends on, as far as it can be read. */
function dependsOn(object: JsonObject | undefined): readonly string[] {
  const { spec } = object ?? {}
  const listed = isJsonObject(spec) && Array.isArray(spec.dependsOn) ? spec.dependsOn.filter(isJsonObject) : []
  return listed.map(({ namespace, name }) => `${String(namespace ?? namespaceOf(object))}/${String(name)}`)
}

/** `namespace/name` of every Delivery that depends on this one. */
export function dependantsOf(id: string, all: readonly JsonObject[]): readonly string[] {
  return all.filter((object) => dependsOn(object).includes(id)).map(idOf)
}

/** What of a Delivery counts for those that depend on it, to be compared. */
export function standingOf({ metadata, status }: JsonObject): string {
  const { generation, deletionTimestamp } = isJsonObject(metadata) ? metadata : {}
  const { observedGeneration, conditions, applied, resolved } = isJsonObject(status) ? status : {}
  const listed = Array.isArray(conditions) ? conditions.filter(isJsonObject) : []
  const ready = listed.find(({ type }) => type === 'Ready')
  return JSON.stringify([
    generation,
    deletionTimestamp,
    observedGeneration,
    ready?.status,
    ready?.reason,
    ready?.observedGeneration,
    isJsonObject(applied) ? [applied.digest, applied.version] : [],
    isJsonObject(resolved) ? resolved.digest : undefined,
  ])
}

function idOf(object: JsonObject): string {
  const { name } = isJsonObject(object.metadata) ? object.metadata : {}
  return `${namespaceOf(object)}/${String(name ?? '')}`
}

function namespaceOf(object: JsonObject | undefined): string {
  const metadata: Json | undefined = object?.metadata
  return isJsonObject(metadata) ? String(metadata.namespace ?? '') : ''
}
