import type { JsonObject } from '../contract/canonical-json.ts'
import type { Cluster } from '../puller/cluster/cluster-port.ts'
import { leaseName, leaseStands } from '../puller/leader/lease.ts'
import { DEFAULT_NAMESPACE } from '../puller/records/keys.ts'
import { ago } from './output.ts'

/** Longer than any Lease lasts as `install` has it, and than clocks usually differ. */
const SILENT_MS = 60_000

/**
 * A warning where replicas have a Lease and none of them renews it: everything else that is shown is what the last one wrote. Undefined where one
 * works, where there is no Lease in `waybill-system`, or where whoever asks may not read it. Never fails.
 */
export async function warningOfSilence(cluster: Cluster, now: Date): Promise<string | undefined> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${DEFAULT_NAMESPACE}/leases/${leaseName(undefined)}`
  const answer = await cluster.request('puller', { method: 'GET', path }).catch(() => undefined)
  return answer?.status === 200 ? silence(answer.body, now) : undefined
}

/** The same of a Lease as it is read; its time is another machine's. */
export function silence(lease: JsonObject, now: Date): string | undefined {
  const { holder, renewedAt } = leaseStands(lease)
  if (renewedAt === undefined || now.getTime() - renewedAt.getTime() < SILENT_MS) return undefined
  const who = holder === '' ? 'given back' : 'last renewed'
  return (
    `warning: no puller is at work: its Lease was ${who} ${ago(renewedAt.toISOString(), now)} ago, and what stands here is as it was then; ` +
    `kubectl get pods -n ${DEFAULT_NAMESPACE}`
  )
}
