import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { LABELS } from '../kinds.ts'
import { deliveryPath } from '../observe.ts'
import { applySetId } from '../plan/desired.ts'

const TOOLING = 'applyset.kubernetes.io/tooling'

/**
 * Marks the Delivery as the parent of its ApplySet, before its first member is written; once.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND, CLUSTER_FAILED
 */
export async function labelParent(
  cluster: Cluster,
  delivery: {
    readonly name: string
    readonly namespace: string
    readonly annotations: Readonly<Record<string, string>>
  },
): Promise<void> {
  if (delivery.annotations[TOOLING] !== undefined) return
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: deliveryPath(delivery.namespace, delivery.name),
    contentType: 'application/merge-patch+json',
    body: {
      metadata: {
        labels: { [LABELS.applySetId]: applySetId(delivery) },
        annotations: { [TOOLING]: 'waybill/v1alpha1' },
      },
    },
  })
  if (answer.status !== 200) throw answerError(`Delivery ${delivery.namespace}/${delivery.name}`, answer)
}
