import { type KubeObject, objectName } from '../../contract/artifact/objects.ts'
import { readDirectives } from '../../contract/ordering/annotations.ts'
import type { InventoryEntry } from '../kinds.ts'
import { askedOf, type Confirmed, isConfirmed } from './confirmation.ts'
import type { PlannedDelete } from './plan.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** Group-kinds whose deletion takes more with it than themselves. */
const PROTECTED = ['/Namespace', 'apiextensions.k8s.io/CustomResourceDefinition', '/PersistentVolumeClaim']

/** What a plan would delete: how many objects the artifact has, how many the inventory holds, and which would go. */
export type PruneFacts = {
  readonly desired: number
  readonly entries: number
  readonly deletes: readonly Pick<PlannedDelete, 'entry' | 'uid' | 'confirm'>[]
  /** Those of the objects to be replaced that are not without a confirmation. */
  readonly replaced?: readonly { readonly name: string; readonly uid: string }[]
}

/** What the annotation of an object that would be deleted asks for. Pure. */
export function pruneAsked(live: KubeObject): 'never' | 'confirm' | undefined {
  return readDirectives(live).directives.prune
}

/** Why an object that was to be deleted stays, as it is annotated by now; `asked`: what it asked for when that was decided. Pure. */
export function asksToStay(live: KubeObject, asked: 'confirm' | undefined): Omit<Refusal, 'object'> | undefined {
  const now = pruneAsked(live)
  if (now === undefined || now === asked) return undefined
  return { code: 'PRUNE_PROTECTED', message: `meanwhile it was annotated with waybill.dev/prune: ${now}` }
}

/** True for what is never deleted without a person's confirmation. */
export function isProtected({ group, kind }: Pick<InventoryEntry, 'group' | 'kind'>): boolean {
  return PROTECTED.includes(`${group}/${kind}`)
}

export type Guarded = {
  readonly refusals: readonly Refusal[]
  /** What has to be confirmed, whether or not it was. */
  readonly asked?: Confirmed
}

/**
 * What has to be confirmed by a person before it is done: that all of an environment goes, a prune of more than `max` objects or maxPercent of the
 * inventory, any of a Namespace, CRD or PersistentVolumeClaim, and of what is annotated so, deleted or replaced. All are lifted by a confirmation of
 * exactly these objects. Pure.
 */
export function pruneRefusals(context: PlanContext, { desired, entries, deletes, replaced = [] }: PruneFacts): Guarded {
  const object = `Delivery.waybill.dev ${context.delivery.namespace}/${context.delivery.name}`
  const tooMany: Refusal[] = []
  if (desired === 0 && deletes.length > 0)
    tooMany.push({
      object,
      code: 'ENVIRONMENT_EMPTY',
      message: `the artifact has no objects for environment ${context.environment}; ${deletes.length} of ${entries} would be deleted`,
    })
  const { maxPercent, max } = context.prune
  const exceeded = [
    ...(max !== undefined && deletes.length > max ? [`prune.max is ${max}`] : []),
    ...(deletes.length * 100 > maxPercent * entries ? [`prune.maxPercent is ${maxPercent}`] : []),
  ]
  if (exceeded.length > 0)
    tooMany.push({
      object,
      code: 'PRUNE_LIMIT',
      message: `${deletes.length} of ${entries} objects would be deleted; ${exceeded.join(', ')}`,
    })
  const going = deletes.map(({ entry, uid, confirm }) => ({
    name: objectName(entry),
    uid,
    isGuarded: isProtected(entry) || confirm === true,
    why: isProtected(entry)
      ? 'it would be deleted with all that is in it'
      : 'it would be deleted, and its annotation waybill.dev/prune asks for a confirmation',
  }))
  const guarded = [
    ...going.filter(({ isGuarded }) => isGuarded),
    ...replaced.map((one) => ({ ...one, isGuarded: true, why: REPLACED })),
  ]
  const objects = [...guarded, ...(tooMany.length > 0 ? going.filter(({ isGuarded }) => !isGuarded) : [])]
  if (objects.length === 0) return { refusals: [] }
  const asked = askedOf(context, objects)
  if (isConfirmed(context, asked.what, objects)) return { refusals: [], asked }
  const each = guarded.map(({ name, why }): Refusal => ({ object: name, code: 'PRUNE_PROTECTED', message: why }))
  return { refusals: [...tooMany, ...each], asked }
}

const REPLACED = 'it would be replaced, and all that is in it or hangs on it deleted'
