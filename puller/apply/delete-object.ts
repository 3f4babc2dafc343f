import { isJsonObject } from '../../contract/canonical-json.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import { deleteOptions } from '../plan/leftovers.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { Going, Outcome } from './applying.ts'

/** `going`: the server took it, and the object is finalized or ends gracefully; `refused`: it is still there. */
export type Deleted =
  | { readonly kind: 'gone' }
  | { readonly kind: 'going' }
  | { readonly kind: 'refused'; readonly outcome: Outcome }

/** Changes of an object between the look and the delete (its status, say) that are looked at again. */
const TRIES = 4

export type DeleteHow = {
  /** Of an object that must not have changed since it was looked at, but for what another look finds harmless. */
  readonly resourceVersion?: string
  /** `Foreground`: it goes after what depends on it. */
  readonly propagation: 'Background' | 'Foreground'
}

/** Deletes, as the account, exactly the object with this uid. */
export async function deleteExactly(
  { cluster, context }: { readonly cluster: Cluster; readonly context: Pick<PlanContext, 'account'> },
  { path, uid, name }: Going,
  { resourceVersion, propagation }: DeleteHow,
): Promise<Deleted> {
  let version = resourceVersion
  try {
    for (let attempt = 1; ; attempt++) {
      const exact = version === undefined ? { uid } : { uid, resourceVersion: version }
      const body = { ...deleteOptions(exact), propagationPolicy: propagation }
      const answer = await cluster.request(context.account, { method: 'DELETE', path, body })
      if (answer.status === 404) return { kind: 'gone' }
      if (answer.status === 200 || answer.status === 202)
        return { kind: answer.body.kind === 'Status' ? 'gone' : 'going' }
      if (answer.status !== 409 || attempt === TRIES) return refused(name, answer)
      const again = await cluster.request(context.account, { method: 'GET', path })
      if (again.status === 404) return { kind: 'gone' }
      const { metadata } = again.body
      if (again.status !== 200 || !isJsonObject(metadata) || metadata.uid !== uid) return refused(name, answer)
      if (version !== undefined) version = String(metadata.resourceVersion)
    }
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH', 'CLUSTER_FAILED')) throw error
    return { kind: 'refused', outcome: { object: name, result: 'failed', code: error.code, message: error.message } }
  }
}

function refused(object: string, answer: ClusterAnswer): Deleted {
  const message = `deleting it: ${answerReason(answer)}`
  const outcome: Outcome =
    answer.status === 403
      ? { object, result: 'refused', code: 'OBJECT_FORBIDDEN', message }
      : { object, result: 'failed', code: answer.status === 409 ? 'CLUSTER_CONFLICT' : 'CLUSTER_FAILED', message }
  return { kind: 'refused', outcome }
}
