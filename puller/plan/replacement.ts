import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { collectionPath, objectUrl } from '../cluster/resources.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import type { DesiredObject } from './desired.ts'
import { isProtected, pruneAsked } from './guards.ts'
import { deleteOptions } from './leftovers.ts'
import type { PlannedChange } from './plan.ts'
import type { Account, PlanContext } from './plan-context.ts'
import { judge, type Refusal, type Verdict } from './refusal.ts'

/** What the server says of a replacement: nothing against it, no, or neither. */
export type Replacement = {
  readonly dryRun: undefined
  readonly replace?: true
  readonly refusal?: Refusal
  readonly failure?: Refusal
}

const IMMUTABLE: ReadonlySet<Refusal['code']> = new Set(['OBJECT_IMMUTABLE', 'JOB_CHANGED'])

/** True where only a field that cannot change stands in the way, and the Delivery names the kind. Pure. */
export function mayReplace({ force = [] }: PlanContext, { id }: DesiredObject, { result, refusal }: Verdict): boolean {
  const kind = id.group === '' ? id.kind : `${id.kind}.${id.group}`
  return result === 'refused' && IMMUTABLE.has(refusal.code) && force.includes(kind)
}

/** Why an object is not deleted to be made anew, though its kind may be. Pure. */
export function replacementRefusal({ name }: Pick<DesiredObject, 'name'>, live: KubeObject): Refusal | undefined {
  if (pruneAsked(live) !== 'never') return undefined
  const message = 'it would have to be replaced, and its annotation waybill.dev/prune says never'
  return { object: name, code: 'OBJECT_IMMUTABLE', message }
}

/** True for what is not replaced without a person's confirmation: for what goes with it, or because it is asked for on it. Pure. */
export function isGuardedReplacement({ id }: Pick<DesiredObject, 'id'>, live: KubeObject): boolean {
  return pruneAsked(live) === 'confirm' || isProtected(id)
}

/** Why an object that was to be replaced stays, as it is annotated by now. Pure. */
export function replacementStays({ desired, isGuarded }: PlannedChange, live: KubeObject): Refusal | undefined {
  const never = replacementRefusal(desired, live)
  if (never !== undefined || isGuarded === true || !isGuardedReplacement(desired, live)) return never
  const message = 'meanwhile it was annotated with waybill.dev/prune: confirm'
  return { object: desired.name, code: 'PRUNE_PROTECTED', message }
}

/** What a generated name may be made from: the server adds five characters, and some kinds take 63. */
const PREFIX_CHARS_MAX = 50

/**
 * Asks whether the new object would be taken if the old one were gone, and whether the old one may be deleted: dry runs of a create under a
 * name of the server's making, and of the delete. An object that the server does not take never has another one deleted for it.
 */
export async function foreseeReplacement(
  cluster: Cluster,
  account: Account,
  desired: DesiredObject,
  live: KubeObject,
  signal: AbortSignal | undefined,
): Promise<Replacement> {
  const { resource, id, object, name } = desired
  const give = signal !== undefined && { signal }
  if (resource === undefined)
    return { dryRun: undefined, refusal: { object: name, code: 'KIND_UNKNOWN', message: 'unknown kind' } }
  const { name: _, ...metadata } = object.metadata
  const body: JsonObject = {
    ...object,
    metadata: { ...metadata, generateName: `${id.name.slice(0, PREFIX_CHARS_MAX)}-` },
  }
  const created = await cluster.request(account, {
    method: 'POST',
    path: collectionPath(resource, id.namespace),
    query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: 'All' },
    body,
    ...give,
  })
  if (created.status !== 201) {
    const { result, refusal } = judge(created, desired, { update: false })
    return { dryRun: undefined, [result === 'refused' ? 'refusal' : 'failure']: refusal }
  }
  const deleted = await cluster.request(account, {
    method: 'DELETE',
    path: objectUrl(resource, id),
    query: { dryRun: 'All' },
    body: { ...deleteOptions({ uid: String(live.metadata.uid) }), dryRun: ['All'] },
    ...give,
  })
  if (deleted.status < 300 || deleted.status === 404) return { dryRun: undefined, replace: true }
  const message = `it is to be replaced, and cannot be deleted: ${answerReason(deleted)}`
  return deleted.status === 403
    ? { dryRun: undefined, refusal: { object: name, code: 'OBJECT_FORBIDDEN', message } }
    : { dryRun: undefined, failure: { object: name, code: 'CLUSTER_FAILED', message } }
}
