import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'

export type ClusterOptions = {
  readonly kubeconfig?: string
  readonly context?: string
  /** Use the mounted service account. Default: kubeconfig as kubectl finds it. */
  readonly inCluster?: boolean
}

export type ConnectedCluster = Cluster & {
  close(): Promise<void>
  /** Of the context; `default` where it names none. */
  readonly defaultNamespace: string
  readonly server: string
}

/** @throws WaybillError CLUSTER_CONFIG */
export function connectCluster(_options: ClusterOptions = {}): ConnectedCluster {
  throw new WaybillError('INTERNAL', 'not yet')
}
