import type { JsonObject } from '../../contract/canonical-json.ts'
import type { WaybillError } from '../../contract/errors.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'

/** One Lease. `conflict`: somebody else wrote it, or made it, meanwhile. Throws WaybillError CLUSTER_*. */
export interface LeaseStore {
  readonly name: string
  readonly namespace: string
  read(signal: AbortSignal): Promise<JsonObject | undefined>
  create(lease: JsonObject, signal: AbortSignal): Promise<JsonObject | 'conflict'>
  /** Only in the version that `lease` carries. */
  replace(lease: JsonObject, signal: AbortSignal): Promise<JsonObject | 'conflict'>
}

/** A Lease in the cluster, asked for as the puller. */
export function leaseStore(cluster: Cluster, namespace: string, name: string): LeaseStore {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
  const path = `${collection}/${encodeURIComponent(name)}`
  const fail = (answer: ClusterAnswer): WaybillError => answerError(`Lease ${namespace}/${name}`, answer)
  return {
    name,
    namespace,
    read: async (signal) => {
      const answer = await cluster.request('puller', { method: 'GET', path, signal })
      if (answer.status === 404) return undefined
      if (answer.status !== 200) throw fail(answer)
      return answer.body
    },
    create: async (body, signal) => {
      const answer = await cluster.request('puller', { method: 'POST', path: collection, body, signal })
      if (answer.status === 409) return 'conflict'
      if (answer.status !== 201) throw fail(answer)
      return answer.body
    },
    replace: async (body, signal) => {
      const answer = await cluster.request('puller', { method: 'PUT', path, body, signal })
      // 404: it was deleted; who reads it again finds that out.
      if (answer.status === 409 || answer.status === 404) return 'conflict'
      if (answer.status !== 200) throw fail(answer)
      return answer.body
    },
  }
}
