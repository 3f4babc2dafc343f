import { objectName } from '../../contract/artifact/objects.ts'
import type { InventoryEntry } from '../kinds.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** Group-kinds whose deletion takes more with it than themselves. */
const PROTECTED = ['/Namespace', 'apiextensions.k8s.io/CustomResourceDefinition', '/PersistentVolumeClaim']

/** What a prune would do: how many objects the artifact has, how many the inventory holds, and which would be deleted. */
export type PruneFacts = {
  readonly desired: number
  readonly entries: number
  readonly deletes: readonly InventoryEntry[]
}

/**
 * What has to be confirmed by a person before it is done: an empty environment, a prune above maxPercent of the inventory, and any
 * of a Namespace, CRD or PersistentVolumeClaim. All are lifted by a confirmation of exactly this digest. Pure.
 */
export function pruneRefusals(context: PlanContext, { desired, entries, deletes }: PruneFacts): readonly Refusal[] {
  if (context.confirmed === context.digest) return []
  const object = `Delivery.waybill.dev ${context.delivery.namespace}/${context.delivery.name}`
  const refusals: Refusal[] = []
  if (desired === 0)
    refusals.push({
      object,
      code: 'ENVIRONMENT_EMPTY',
      message: `the artifact has no objects for environment ${context.environment}; ${deletes.length} of ${entries} would be deleted`,
    })
  const { maxPercent } = context.prune
  if (deletes.length * 100 > maxPercent * entries)
    refusals.push({
      object,
      code: 'PRUNE_LIMIT',
      message: `${deletes.length} of ${entries} objects would be deleted; prune.maxPercent is ${maxPercent}`,
    })
  for (const entry of deletes)
    if (PROTECTED.includes(`${entry.group}/${entry.kind}`))
      refusals.push({
        object: objectName(entry),
        code: 'PRUNE_PROTECTED',
        message: `it would be deleted with all that is in it`,
      })
  return refusals
}
