import { isKubeObject } from '../../contract/artifact/objects.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { ClusterAnswer } from '../cluster/cluster-port.ts'
import { objectUrl } from '../cluster/resources.ts'
import type { InventoryEntry } from '../kinds.ts'
import { claimWhenNeeded } from '../plan/claim.ts'
import { applyObject } from '../plan/dry-run.ts'
import { isOurs } from '../plan/ownership.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { judge } from '../plan/refusal.ts'
import type { Applying, Outcome } from './applying.ts'
import { moveOwnership } from './move-ownership.ts'

/**
 * One write, as the account: a create that never takes over, or a change of exactly the object that was planned. Writes its uid, or that
 * there is nothing of ours, into the book; where no answer came, the book keeps the entry as it was written ahead.
 */
export async function writeObject(applying: Applying, change: PlannedChange): Promise<Outcome> {
  const { desired, action, uid } = change
  const { context, cluster, book } = applying
  const { resource, name } = desired
  if (resource === undefined) return { object: name, result: 'failed', code: 'KIND_UNKNOWN', message: 'unknown kind' }
  const expecting = uid === undefined ? 'absent' : { uid }
  try {
    const stopped = action === 'adopt' || change.reclaims === true ? await moveOwnership(applying, change) : undefined
    if (stopped !== undefined && 'owners' in stopped) return ownedMeanwhile(book, change, stopped.owners)
    if (stopped !== undefined) return settleUpdate(book, change, stopped)
    const answer = await applyObject(cluster, context.account, resource, desired, expecting, { dryRun: false })
    if (answer.status === (action === 'create' ? 201 : 200)) {
      applying.known?.written(desired, answer.body)
      if (isKubeObject(answer.body)) applying.waiter.wrote?.(desired, answer.body)
    }
    if (action === 'create' && answer.status === 409 && (await isMadeByUs(applying, change)))
      return {
        object: name,
        result: 'failed',
        code: 'CLUSTER_CONFLICT',
        message: 'another puller of this cluster made it meanwhile',
      }
    return action === 'create' ? settleCreate(book, change, answer) : settleUpdate(book, change, answer)
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH', 'CLUSTER_FAILED')) throw error
    return { object: name, result: 'failed', code: error.code, message: error.message }
  }
}

function ownedMeanwhile(book: Applying['book'], { desired }: PlannedChange, owners: readonly string[]): Outcome {
  book.delete(desired.key)
  const message = `meanwhile it belongs to ${owners.join(', ')}`
  return { object: desired.name, result: 'refused', code: 'OBJECT_OWNED', message }
}

/** What stands in the way of a create carries our claim: two pullers are at work. Its entry stays in the book, by which the next look knows it. */
async function isMadeByUs({ cluster, context, book }: Applying, { desired }: PlannedChange): Promise<boolean> {
  const { resource, id, key } = desired
  if (resource === undefined) return false
  const answer = await cluster.request(context.account, { method: 'GET', path: objectUrl(resource, id) })
  const claim = claimWhenNeeded(context.claimKey, context.delivery.uid, key)
  return answer.status === 200 && isKubeObject(answer.body) && isOurs(book.get(key), answer.body, claim)
}

/** A definite no: nothing was written. 408 and 429 are none, and after a 5xx nobody knows. */
function isDefinite({ status }: ClusterAnswer): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function settleCreate(book: Applying['book'], { desired }: PlannedChange, answer: ClusterAnswer): Outcome {
  const { key, id, name } = desired
  const uid = uidOf(answer)
  // Only a 201 proves that we created it.
  if (answer.status === 201 && uid !== undefined) {
    book.set(key, { ...id, ...runOf(book.get(key)), uid, state: 'created' })
    return { object: name, result: 'created' }
  }
  if (answer.status === 409 || answer.status === 200) {
    book.delete(key)
    const message = `somebody else made it meanwhile: ${answerReason(answer)}`
    return { object: name, result: 'refused', code: 'OBJECT_OWNED', message }
  }
  if (isDefinite(answer)) book.delete(key)
  return judged(desired, answer, { update: false })
}

function runOf(entry: InventoryEntry | undefined): Pick<InventoryEntry, 'run'> {
  return entry?.run === undefined ? {} : { run: entry.run }
}

function settleUpdate(book: Applying['book'], { desired, action }: PlannedChange, answer: ClusterAnswer): Outcome {
  if (answer.status === 200) return { object: desired.name, result: action === 'adopt' ? 'adopted' : 'configured' }
  if (action === 'adopt' && isDefinite(answer)) book.delete(desired.key)
  return judged(desired, answer, { update: true })
}

function judged(
  desired: PlannedChange['desired'],
  answer: ClusterAnswer,
  options: { readonly update: boolean },
): Outcome {
  const { result, refusal } = judge(answer, desired, options)
  return { object: desired.name, result, code: refusal.code, message: refusal.message }
}

function uidOf({ body }: ClusterAnswer): string | undefined {
  const { metadata } = body
  if (typeof metadata !== 'object' || metadata === null || !('uid' in metadata)) return undefined
  return typeof metadata.uid === 'string' ? metadata.uid : undefined
}
