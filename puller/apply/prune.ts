import { isJsonObject } from '../../contract/canonical-json.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { ClusterAnswer } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { AT_ONCE } from '../plan/gather.ts'
import { deleteOptions } from '../plan/leftovers.ts'
import type { PlannedDelete } from '../plan/plan.ts'
import type { Applying, Outcome } from './applying.ts'

/** Changes of an object between the look and the delete (its status, say) that are looked at again. */
const TRIES = 4

/**
 * Deletes, as the account, stage by stage in the plan's order; a failure in one leaves out the next. Entries leave the book when their object is
 * gone; while it is being finalized they stay.
 */
export async function pruneAll(applying: Applying, deletes: readonly PlannedDelete[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const stage of new Set(deletes.map((planned) => planned.stage))) {
    const together = deletes.filter((planned) => planned.stage === stage)
    const done = await inParallel(together, AT_ONCE, async (planned) =>
      applying.signal?.aborted === true ? [] : [await deleteOne(applying, planned)],
    )
    outcomes.push(...done.flat())
    if (outcomes.some(({ result }) => result !== 'deleted')) break
  }
  return outcomes
}

/** Deletes exactly the object with this uid, in a version that was looked at. */
async function deleteOne({ cluster, context, book }: Applying, planned: PlannedDelete): Promise<Outcome> {
  const { path, uid, name, key } = planned
  const failed = (answer: ClusterAnswer): Outcome => ({
    object: name,
    result: answer.status === 403 ? 'refused' : 'failed',
    code: answer.status === 403 ? 'OBJECT_FORBIDDEN' : answer.status === 409 ? 'CLUSTER_CONFLICT' : 'CLUSTER_FAILED',
    message: `deleting it: ${answerReason(answer)}`,
  })
  const gone = (): Outcome => {
    book.delete(key)
    return { object: name, result: 'deleted' }
  }
  let { resourceVersion } = planned
  try {
    for (let attempt = 1; ; attempt++) {
      const body = deleteOptions({ uid, resourceVersion })
      const answer = await cluster.request(context.account, { method: 'DELETE', path, body })
      if (answer.status === 404) return gone()
      if (answer.status === 200 || answer.status === 202)
        return answer.body.kind === 'Status' ? gone() : { object: name, result: 'deleted' }
      if (answer.status !== 409 || attempt === TRIES) return failed(answer)
      const again = await cluster.request(context.account, { method: 'GET', path })
      if (again.status === 404) return gone()
      const { metadata } = again.body
      if (again.status !== 200 || !isJsonObject(metadata) || metadata.uid !== uid) return failed(answer)
      resourceVersion = String(metadata.resourceVersion)
    }
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH', 'CLUSTER_FAILED')) throw error
    return { object: name, result: 'failed', code: error.code, message: error.message }
  }
}
