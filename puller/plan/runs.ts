import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import { type RunEnd, readDirectives } from '../../contract/ordering/annotations.ts'
import { ANNOTATION, type InventoryEntry } from '../kinds.ts'
import type { DesiredObject } from './desired.ts'
import type { PlanContext } from './plan-context.ts'

/**
 * Where a Job that runs once stands in its release. `done`: it ran for this release, and is not made again, be it there or not. `failed`: it
 * did, and failed. `stale`: the Job that is there ran for another release, or for an attempt that a person ended, and gives way to a new one.
 */
export type RunState = 'done' | 'failed' | 'stale'

/**
 * Undefined: it is taken as any other object is, which holds for a run that is under way too. What ended is known from the inventory, and
 * from the records of a release that was healthy; what runs for which release from the annotation on the Job. Pure.
 */
export function runStateOf(
  context: PlanContext,
  desired: DesiredObject,
  entry: InventoryEntry | undefined,
  live: { readonly object: KubeObject | undefined; readonly isOurs: boolean },
): RunState | undefined {
  if (!isJob(desired)) return undefined
  const ran = entry?.run?.digest === context.digest ? entry.run : undefined
  if (!desired.runsOnce) {
    const mayBeRemoved = isRemovedWhenFinished(desired) && entry?.uid !== undefined
    const wasMade = ran !== undefined || context.ranBefore === true
    return mayBeRemoved && wasMade && live.object === undefined ? 'done' : undefined
  }
  if (context.ranBefore === true || ran?.ended === 'succeeded') return 'done'
  // Removed before its end was seen: that it succeeded cannot be said, and it is not run a second time.
  const isUnseen = live.object === undefined && entry?.uid !== undefined && isRemovedWhenFinished(desired)
  const isOver = ran?.ended === 'failed' || (ran !== undefined && isUnseen)
  if (isOver && ran?.generation === context.generation) return 'failed'
  if (live.object === undefined || !live.isOurs) return undefined
  return isOver || releaseOf(live.object) !== context.digest ? 'stale' : undefined
}

/** What the entry of a Job says of its run; nothing for what is no Job whose end counts. */
export function runBegun(context: PlanContext, desired: DesiredObject): Pick<InventoryEntry, 'run'> {
  if (!isJob(desired) || !(desired.runsOnce || isRemovedWhenFinished(desired))) return {}
  return { run: { digest: context.digest, generation: context.generation ?? 0 } }
}

/** How a Job ended; undefined while it has not. */
export function endOf({ status }: KubeObject): RunEnd | undefined {
  const conditions = isJsonObject(status) && Array.isArray(status.conditions) ? status.conditions : []
  const is = (type: string) => conditions.some((one) => isJsonObject(one) && one.type === type && one.status === 'True')
  return is('Complete') ? 'succeeded' : is('Failed') ? 'failed' : undefined
}

/** True for a run that is to be deleted once it ended so. Pure. */
export function cleanedUpAfter({ object, runsOnce }: DesiredObject, end: RunEnd | undefined): boolean {
  return runsOnce && end !== undefined && readDirectives(object).directives.runCleanup.includes(end)
}

function isJob({ id }: DesiredObject): boolean {
  return id.group === 'batch' && id.kind === 'Job'
}

/** A Job that the cluster removes some time after its end. */
export function isRemovedWhenFinished({ object: { spec } }: DesiredObject): boolean {
  return isJsonObject(spec) && typeof spec.ttlSecondsAfterFinished === 'number'
}

function releaseOf({ metadata: { annotations } }: KubeObject): Json | undefined {
  return isJsonObject(annotations) ? annotations[ANNOTATION.release] : undefined
}
