import { KubeConfig } from '@kubernetes/client-node'
import { WaybillError } from '../../contract/errors.ts'
import type { Observer } from '../metrics/observation.ts'
import { Access } from './cluster-access.ts'
import { type ConnectedCluster, clusterOver } from './cluster-requests.ts'
import { connectMounted, type ServiceAccountMount } from './mounted.ts'

export type { ConnectedCluster } from './cluster-requests.ts'

export type ClusterOptions = {
  readonly kubeconfig?: string
  readonly context?: string
  /** Use a mounted service account. Default: the kubeconfig as kubectl finds it, then the one that a pod has. */
  readonly serviceAccount?: ServiceAccountMount
  /** Told of every request that is sent, watches included. */
  readonly observe?: Observer
  /** Say with each request made as an account for which Delivery (`puller --guard`). */
  readonly namesDeliveries?: boolean
}

/**
 * Opens one pool of connections to the API server that the kubeconfig names. Credentials that rotate (mounted tokens, exec plug-ins) are
 * renewed; nothing is sent before the first request.
 * @throws WaybillError CLUSTER_CONFIG
 */
export function connectCluster(options: ClusterOptions = {}): ConnectedCluster {
  if (options.serviceAccount !== undefined) return connectMounted(options.serviceAccount, options)
  const config = loadConfig(options)
  const server = config.getCurrentCluster()?.server
  if (server === undefined) throw new WaybillError('CLUSTER_CONFIG', 'no kubeconfig names a cluster to use')
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? 'default'
  return clusterOver(new Access(config, options), server, namespace)
}

function loadConfig({ kubeconfig, context }: ClusterOptions): KubeConfig {
  const config = new KubeConfig()
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig)
    else config.loadFromDefault()
  } catch (cause) {
    throw new WaybillError('CLUSTER_CONFIG', `${kubeconfig ?? 'the kubeconfig'} cannot be read`, { cause })
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null)
      throw new WaybillError('CLUSTER_CONFIG', `the kubeconfig has no context "${context.slice(0, 253)}"`)
    config.setCurrentContext(context)
  }
  // As `kubectl proxy` gives it: there is no TLS to verify, and the library asks for the flag.
  config.clusters = config.clusters.map((one) => (/^http:/.test(one.server) ? { ...one, skipTLSVerify: true } : one))
  const cluster = config.getCurrentCluster()
  if (cluster === null || config.getCurrentContext() === 'loaded-context')
    throw new WaybillError('CLUSTER_CONFIG', 'no kubeconfig names a cluster to use')
  return config
}
