import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Term } from './elect.ts'

/**
 * The cluster for as long as the term lasts: afterwards nothing is asked of it any more, and what is in flight is given up. What the API
 * server has already taken in may still be carried out: a Lease does not fence.
 * @throws WaybillError LEADER_LOST, besides what `cluster` throws
 */
export function duringTerm(cluster: Cluster, { lost, holds }: Pick<Term, 'lost' | 'holds'>): Cluster {
  const ending = (signal: AbortSignal | undefined) => (signal === undefined ? lost : AbortSignal.any([signal, lost]))
  const check = () => {
    if (!holds()) throw new WaybillError('LEADER_LOST', 'this replica no longer leads')
  }
  return {
    request: async (as, request) => {
      check()
      try {
        return await cluster.request(as, { ...request, signal: ending(request.signal) })
      } catch (error) {
        check()
        throw error
      }
    },
    watch: (as, request) => cluster.watch(as, { ...request, signal: ending(request.signal) }),
    resource: (apiVersion, kind, options) => cluster.resource(apiVersion, kind, options),
  }
}

/** Reviews say something of who asks, and leave nothing behind. */
const ASKS = /^\/apis\/(?:authentication|authorization)\.k8s\.io\/v1\/selfsubject[a-z]*reviews$/

/** The cluster for one that stands by, until `signal`: what it says may be read, and nothing is written. */
export function onlyReading(cluster: Cluster, signal: AbortSignal): Cluster {
  const ending = (own: AbortSignal | undefined) => (own === undefined ? signal : AbortSignal.any([own, signal]))
  return {
    request: async (as, request) => {
      if (request.method !== 'GET' && !ASKS.test(request.path))
        throw new WaybillError('LEADER_LOST', 'a replica that stands by writes nothing')
      return cluster.request(as, { ...request, signal: ending(request.signal) })
    },
    watch: (as, request) => cluster.watch(as, { ...request, signal: ending(request.signal) }),
    resource: (apiVersion, kind, options) => cluster.resource(apiVersion, kind, options),
  }
}
