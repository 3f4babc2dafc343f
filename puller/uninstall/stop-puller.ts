import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { listAll } from '../cluster/watch.ts'
import { POD_LABELS } from '../install/network.ts'
import type { Deleting } from './delete-targets.ts'
import { isWaybills } from './parts.ts'

const AGAIN_MS = 1_000
const PODS_MS = 120_000
/** A Lease that says longer is looked at no longer. */
const LEASE_MS_MAX = 60_000

/**
 * Refuses while a puller holds a Lease in this namespace that is none of its pods: it stands still, or it is renewed, for as long as it says that it
 * lasts.
 * @throws WaybillError PULLER_RUNNING
 */
export async function refuseWhileHeld({ cluster, clock }: Deleting, namespace: string): Promise<void> {
  const pods = new Set((await podsOf(cluster, namespace)).map(nameOf))
  const isForeign = (lease: JsonObject) => holderOf(lease) !== '' && !pods.has(holderOf(lease).replace(/_[^_]*$/, ''))
  const first = new Map((await leasesOf(cluster, namespace)).filter(isForeign).map((lease) => [nameOf(lease), lease]))
  const untilMs = clock.monotonicMs() + Math.max(0, ...[...first.values()].map(leaseMs))
  while (first.size > 0 && clock.monotonicMs() < untilMs) {
    await clock.sleep(AGAIN_MS)
    const now = new Map((await leasesOf(cluster, namespace)).filter(isForeign).map((lease) => [nameOf(lease), lease]))
    for (const [name, before] of first) {
      const lease = now.get(name)
      if (lease === undefined) first.delete(name)
      else if (versionOf(lease) !== versionOf(before))
        throw new WaybillError(
          'PULLER_RUNNING',
          `a puller that is no pod of ${namespace} works there: ${holderOf(lease).slice(0, 253)} renews Lease ${name}`,
        )
    }
  }
}

/** Waits until no pod of the puller is left. @throws WaybillError UNINSTALL_UNFINISHED */
export async function awaitNoPods({ cluster, clock }: Deleting, namespace: string): Promise<void> {
  const untilMs = clock.monotonicMs() + PODS_MS
  for (;;) {
    const pods = await podsOf(cluster, namespace)
    if (pods.length === 0) return
    if (clock.monotonicMs() >= untilMs)
      throw new WaybillError('UNINSTALL_UNFINISHED', `pods of the puller still run: ${pods.map(nameOf).join(', ')}`)
    await clock.sleep(AGAIN_MS)
  }
}

async function podsOf(cluster: Deleting['cluster'], namespace: string): Promise<readonly JsonObject[]> {
  const { items } = await listAll(cluster, `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`)
  return items.filter(({ metadata }) => {
    const labels = isJsonObject(metadata) && isJsonObject(metadata.labels) ? metadata.labels : {}
    return Object.entries(POD_LABELS).every(([key, value]) => labels[key] === value)
  })
}

async function leasesOf(cluster: Deleting['cluster'], namespace: string): Promise<readonly JsonObject[]> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`
  return (await listAll(cluster, path)).items.filter((lease) => isWaybills({ kind: 'Lease', where: 'own' }, lease))
}

function nameOf({ metadata }: JsonObject): string {
  return isJsonObject(metadata) ? String(metadata.name) : ''
}

function versionOf({ metadata }: JsonObject): string {
  return isJsonObject(metadata) ? String(metadata.resourceVersion) : ''
}

/** `<host>_<unique>`; a pod's host is its name. */
function holderOf({ spec }: JsonObject): string {
  return isJsonObject(spec) && typeof spec.holderIdentity === 'string' ? spec.holderIdentity : ''
}

function leaseMs({ spec }: JsonObject): number {
  const seconds = isJsonObject(spec) && typeof spec.leaseDurationSeconds === 'number' ? spec.leaseDurationSeconds : 15
  return Math.min(seconds * 1_000 + AGAIN_MS, LEASE_MS_MAX)
}
