import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
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
  /** In which version it was looked at. */
  readonly resourceVersion?: string
  /** Why it stays after all; asked of every version that was not looked at before. With it, exactly what was looked at is deleted. */
  readonly stays?: (live: KubeObject) => Pick<Outcome, 'code' | 'message'> | undefined
  /** `Foreground`: it goes after what depends on it. */
  readonly propagation: 'Background' | 'Foreground'
}

/** Deletes, as the account, exactly the object with this uid. */
export async function deleteExactly(
  { cluster, context }: { readonly cluster: Cluster; readonly context: Pick<PlanContext, 'account'> },
  { path, uid, name }: Going,
  { resourceVersion, stays, propagation }: DeleteHow,
): Promise<Deleted> {
  const isGuarded = resourceVersion !== undefined || stays !== undefined
  let version = resourceVersion
  let mustLook = stays !== undefined && version === undefined
  try {
    for (let attempt = 1; ; attempt++) {
      if (mustLook) {
        const again = await cluster.request(context.account, { method: 'GET', path })
        if (again.status === 404) return { kind: 'gone' }
        if (again.status !== 200 || !isKubeObject(again.body)) return refused(name, again)
        const { metadata } = again.body
        if (metadata.uid !== uid) return { kind: 'refused', outcome: { object: name, ...REPLACED } }
        const why = stays?.(again.body)
        if (why !== undefined) return { kind: 'refused', outcome: { object: name, result: 'refused', ...why } }
        if (isGuarded) version = String(metadata.resourceVersion)
      }
      const exact = version === undefined ? { uid } : { uid, resourceVersion: version }
      const body = { ...deleteOptions(exact), propagationPolicy: propagation }
      const answer = await cluster.request(context.account, { method: 'DELETE', path, body })
      if (answer.status === 404) return { kind: 'gone' }
      if (answer.status === 200 || answer.status === 202)
        return { kind: answer.body.kind === 'Status' ? 'gone' : 'going' }
      if (answer.status !== 409 || attempt === TRIES) return refused(name, answer)
      mustLook = true
    }
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH', 'CLUSTER_FAILED')) throw error
    return { kind: 'refused', outcome: { object: name, result: 'failed', code: error.code, message: error.message } }
  }
}

const REPLACED = {
  result: 'failed',
  code: 'CLUSTER_CONFLICT',
  message: 'deleting it: another object took its place',
} as const

function refused(object: string, answer: ClusterAnswer): Deleted {
  const message = `deleting it: ${answerReason(answer)}`
  const outcome: Outcome =
    answer.status === 403
      ? { object, result: 'refused', code: 'OBJECT_FORBIDDEN', message }
      : { object, result: 'failed', code: answer.status === 409 ? 'CLUSTER_CONFLICT' : 'CLUSTER_FAILED', message }
  return { kind: 'refused', outcome }
}
