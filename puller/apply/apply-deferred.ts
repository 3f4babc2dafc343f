import { hasCode } from '../../contract/errors.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { type DryRun, dryRunObject } from '../plan/dry-run.ts'
import { AT_ONCE } from '../plan/gather.ts'
import type { PlannedChange } from '../plan/plan.ts'
import type { Applying, Outcome } from './applying.ts'

/** The API server learns of a new kind, Role or priority class from a watch of its own: a moment after the write was answered. */
const LAG_TRIES = 20
const LAG_MS = 250

/**
 * Dry-runs the changes of a stage that could not be before, now that what they need is there. `ready`: what may be written; `outcomes`: what
 * may not, all of them.
 */
export async function readyToWrite(
  applying: Applying,
  planned: readonly PlannedChange[],
): Promise<{ readonly ready: readonly PlannedChange[]; readonly outcomes: readonly Outcome[] }> {
  const checked = await inParallel(planned, AT_ONCE, async (change) => ({
    change,
    outcome: change.deferred === undefined ? undefined : await check(applying, change),
  }))
  return {
    ready: checked.flatMap(({ change, outcome }) => (outcome === undefined ? [change] : [])),
    outcomes: checked.flatMap(({ outcome }) => outcome ?? []),
  }
}

/** Undefined: the server would take it. A definite no takes what was written ahead for a create out of the book again. */
async function check(applying: Applying, change: PlannedChange): Promise<Outcome | undefined> {
  const { desired } = change
  try {
    for (let attempt = 1; ; attempt++) {
      const dryRun = await dryRunNow(applying, change)
      if (dryRun !== undefined && 'result' in dryRun) return undefined
      if (attempt < LAG_TRIES && mayBeLag(change, dryRun) && applying.signal?.aborted !== true) {
        await applying.clock.sleep(LAG_MS, applying.signal)
        continue
      }
      if (dryRun === undefined)
        return {
          object: desired.name,
          result: 'failed',
          code: 'KIND_UNKNOWN',
          message: 'its CRD does not serve it yet',
        }
      const { result, refusal } = dryRun.verdict
      if (result === 'refused' && change.action !== 'configure') applying.book.delete(desired.key)
      return { object: desired.name, result, code: refusal.code, message: refusal.message }
    }
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH', 'CLUSTER_FAILED')) throw error
    return { object: desired.name, result: 'failed', code: error.code, message: error.message }
  }
}

function mayBeLag({ deferred }: PlannedChange, dryRun: DryRun | undefined): boolean {
  if (dryRun === undefined) return true
  const status = 'answer' in dryRun ? dryRun.answer.status : 200
  return status === 404 || (status === 403 && (deferred === 'role' || deferred === 'reference'))
}

async function dryRunNow(applying: Applying, { desired, uid }: PlannedChange): Promise<DryRun | undefined> {
  const { cluster, context, schemas, signal } = applying
  const { object, kindInSet } = desired
  const resource = await cluster.resource(object.apiVersion, object.kind, { refresh: kindInSet })
  if (resource === undefined) return undefined
  return dryRunObject(
    cluster,
    context.account,
    resource,
    desired,
    uid === undefined ? 'absent' : { uid },
    schemas,
    signal,
  )
}
