import { WaybillError } from '../../contract/errors.ts'
import type { Cluster, ClusterRequest } from '../cluster/cluster-port.ts'

/**
 * A cluster that can only be looked at, asked as whoever the kubeconfig is, in the place of the puller and of every service account.
 * Anything but reads, dry runs and questions about oneself is a fault of ours, and is not sent.
 */
export function readOnly(cluster: Cluster): Cluster {
  return {
    resource: (apiVersion, kind, options) => cluster.resource(apiVersion, kind, options),
    watch: (_as, request) => cluster.watch('puller', request),
    request: async (_as, request) => {
      if (writes(request)) throw new WaybillError('INTERNAL', `${request.method} ${request.path} while only looking`)
      return cluster.request('puller', request)
    },
  }
}

function writes({ method, path, query }: ClusterRequest): boolean {
  return method !== 'GET' && query?.dryRun !== 'All' && !SELF_REVIEW.test(path)
}

const SELF_REVIEW = /^\/apis\/(?:authentication|authorization)\.k8s\.io\/v1\/selfsubject[a-z]*reviews$/
