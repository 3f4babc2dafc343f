import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import type { Json } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { objectsIn } from './conditions.ts'
import type { Health, HealthNote } from './health-board.ts'
import { podFaults, podSelector } from './pods.ts'

/** As many as a status names. */
const WORKLOADS_MAX = 5
const PODS_MAX = '100'
/** Who waits to hear that a release failed does not wait long to hear why. */
const ANSWER_MS = 5_000

/**
 * Adds to each workload that is not healthy what its Pods say, as far as the account may list them: one request for each, five at most.
 * What cannot be asked is left as it was.
 */
export async function explain(
  health: Health,
  objects: readonly DesiredObject[],
  { account }: Pick<PlanContext, 'account'>,
  cluster: Cluster,
  signal?: AbortSignal,
): Promise<Health> {
  const notes = new Set([...health.failed, ...health.waiting].map(({ object }) => object))
  const sick = objects.flatMap(({ name, id, object }) => {
    const labelSelector = notes.has(name) ? podSelector(id, object) : undefined
    return labelSelector === undefined ? [] : [{ name, namespace: id.namespace, labelSelector }]
  })
  if (sick.length === 0) return health
  const inTime = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), ...(signal === undefined ? [] : [signal])])
  const faults = new Map<string, string>()
  await inParallel(sick.slice(0, WORKLOADS_MAX), WORKLOADS_MAX, async ({ name, namespace, labelSelector }) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`
    const query = { labelSelector, limit: PODS_MAX }
    try {
      const { status, body } = await cluster.request(account, { method: 'GET', path, query, signal: inTime })
      if (status === 200) faults.set(name, podFaults(podsIn(body.items)))
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error
    }
  })
  const withFaults = (note: HealthNote): HealthNote => {
    const why = faults.get(note.object) ?? ''
    return why === '' ? note : { ...note, message: `${note.message}: ${why}` }
  }
  return { ...health, failed: health.failed.map(withFaults), waiting: health.waiting.map(withFaults) }
}

/** Items of a list come without apiVersion and kind. */
function podsIn(items: Json | undefined): readonly KubeObject[] {
  return objectsIn(items)
    .map((item) => ({ ...item, apiVersion: 'v1', kind: 'Pod' }))
    .filter(isKubeObject)
}
