import { WaybillError } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import { AT_ONCE, inParallel } from '../cluster/in-parallel.ts'
import { objectUrl } from '../cluster/resources.ts'
import { BREAK_GLASS } from '../kinds.ts'
import { type Target, targetName } from './parts.ts'

export type Deleting = { readonly cluster: Cluster; readonly clock: Clock }

/** A policy that was deleted is enforced for a moment more, and a CRD goes when its objects have. */
const PATIENCE_MS = 120_000
const AGAIN_MS = 500

/**
 * Deletes these objects, each by its uid, and waits until they are gone; those that are gone already are no error. What the guard
 * keeps is annotated first.
 * @throws WaybillError UNINSTALL_UNFINISHED with what is left
 */
export async function deleteTargets(deleting: Deleting, targets: readonly Target[]): Promise<void> {
  const { clock } = deleting
  const untilMs = clock.monotonicMs() + PATIENCE_MS
  const left = await inParallel(targets, AT_ONCE, async (target) => {
    for (;;) {
      const said = await deleteOnce(deleting, target)
      if (said === undefined) return []
      if (clock.monotonicMs() >= untilMs) return [`${targetName(target)}: ${said}`]
      await clock.sleep(AGAIN_MS)
    }
  })
  const all = left.flat()
  if (all.length > 0) throw new WaybillError('UNINSTALL_UNFINISHED', `still there: ${all.join('; ')}`)
}

/** Undefined: it is gone. */
async function deleteOnce({ cluster }: Deleting, target: Target): Promise<string | undefined> {
  const path = objectUrl(target.resource, target)
  const answer = await cluster.request('puller', {
    method: 'DELETE',
    path,
    body: {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      preconditions: { uid: target.uid },
      propagationPolicy: target.resource.kind === 'Deployment' ? 'Foreground' : 'Background',
    },
  })
  if (isGone(answer)) return undefined
  if (answer.status === 403 && target.isDelivered) await breakGlass(cluster, path)
  const now = await cluster.request('puller', { method: 'GET', path })
  if (now.status === 404) return undefined
  return answer.status < 300 ? 'it is being deleted' : answerReason(answer)
}

/** 409: another one of its name took its place. */
function isGone({ status }: ClusterAnswer): boolean {
  return status === 404 || status === 409
}

async function breakGlass(cluster: Cluster, path: string): Promise<void> {
  await cluster.request('puller', {
    method: 'PATCH',
    path,
    contentType: 'application/merge-patch+json',
    body: { metadata: { annotations: { [BREAK_GLASS]: 'waybill uninstall' } } },
  })
}
