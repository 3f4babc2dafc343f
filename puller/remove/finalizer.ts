import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { type Delivery, FINALIZER } from '../kinds.ts'
import { deliveryPath, parseHeader } from '../observe.ts'

type Holder = Pick<Delivery, 'name' | 'namespace' | 'uid' | 'resourceVersion' | 'finalizers'>

const TRIES = 4

/**
 * Puts our finalizer on a Delivery, or takes it off, where it is not so already; nobody else's is touched. A Delivery that is gone, or
 * another one by now, is no error.
 * @throws WaybillError CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function holdBack(cluster: Cluster, delivery: Holder, wanted: 'held' | 'free'): Promise<void> {
  const { name, namespace, uid } = delivery
  const path = deliveryPath(namespace, name)
  let { resourceVersion, finalizers = [] } = delivery
  for (let attempt = 1; finalizers.includes(FINALIZER) !== (wanted === 'held'); attempt++) {
    const others = finalizers.filter((one) => one !== FINALIZER)
    const answer = await cluster.request('puller', {
      method: 'PATCH',
      path,
      contentType: 'application/merge-patch+json',
      body: { metadata: { uid, resourceVersion, finalizers: wanted === 'held' ? [...others, FINALIZER] : others } },
    })
    if (answer.status === 200 || answer.status === 404) return
    if (answer.status !== 409 || attempt === TRIES) throw answerError(`Delivery ${namespace}/${name}`, answer)
    const again = await cluster.request('puller', { method: 'GET', path })
    if (again.status !== 200) return
    const now = parseHeader(again.body)
    if (now.uid !== uid) return
    ;({ resourceVersion, finalizers = [] } = now)
  }
}
