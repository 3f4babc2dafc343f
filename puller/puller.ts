import type { Logger } from 'pino'
import { WaybillError } from '../contract/errors.ts'

export type PullerOptions = {
  /** Default: the mounted service account, else $KUBECONFIG's rules as puller/cluster.ts has them. */
  readonly kubeconfig?: string
  readonly context?: string
  /** The puller's own namespace. Default: waybill-system. */
  readonly namespace?: string
  /** Made when needed; survives restarts. */
  readonly cacheDir: string
  /** Speak HTTP to every registry. */
  readonly plainHttp?: boolean
  /** Reconcile every Delivery until it is settled, then return. */
  readonly once?: boolean
  /** How long a release may take to become healthy. Default: 5 minutes. */
  readonly waitTimeoutMs?: number
  /** Deliveries reconciled at a time. Default: 8. */
  readonly parallel?: number
  /** Only the Deliveries of these namespaces. Default: all. */
  readonly onlyNamespaces?: readonly string[]
  readonly proxy?: { readonly http?: string; readonly https?: string; readonly no?: string }
  /** SIGTERM: finish or abandon the write in flight, then return. */
  readonly signal?: AbortSignal
  readonly log: Logger
}

/** Where each Delivery stands when the puller returns. */
export type PullerSummary = {
  readonly deliveries: readonly {
    readonly namespace: string
    readonly name: string
    readonly ready: boolean
    readonly reason: string
    readonly message: string
  }[]
}

/**
 * Runs the puller until `signal` aborts, or with `once` until every Delivery is settled.
 * @throws WaybillError CLUSTER_CONFIG, CLUSTER_UNREACHABLE, CLUSTER_AUTH, CLUSTER_NOT_INSTALLED, RECORD_KEY
 */
export async function runPuller(_options: PullerOptions): Promise<PullerSummary> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
