import type { JsonObject } from '../../contract/canonical-json.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Delivery } from '../kinds.ts'
import { deliveryPath } from '../observe.ts'

/**
 * Edits a Delivery by a merge patch, guarded by the resourceVersion that was read. Asked as whoever the kubeconfig is; `fieldManager` names
 * the command in managedFields.
 * @throws WaybillError CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND
 */
export async function editDeliveryObject(
  cluster: Cluster,
  { namespace, name, resourceVersion }: Pick<Delivery, 'namespace' | 'name' | 'resourceVersion'>,
  fieldManager: string,
  { spec, annotations }: { readonly spec?: JsonObject; readonly annotations?: Readonly<Record<string, string>> },
): Promise<void> {
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: deliveryPath(namespace, name),
    query: { fieldManager },
    contentType: 'application/merge-patch+json',
    body: {
      metadata: { resourceVersion, ...(annotations === undefined ? {} : { annotations }) },
      ...(spec === undefined ? {} : { spec }),
    },
  })
  if (answer.status !== 200) throw answerError(`Delivery ${namespace}/${name}`, answer)
}
