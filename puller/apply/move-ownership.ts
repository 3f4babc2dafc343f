import { isKubeObject } from '../../contract/artifact/objects.ts'
import type { ClusterAnswer } from '../cluster/cluster-port.ts'
import { objectUrl } from '../cluster/resources.ts'
import { reclaim } from '../drift/intrusion.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import { applySetId } from '../plan/desired.ts'
import { ignoreTest } from '../plan/ignore.ts'
import { ownersOf } from '../plan/ownership.ts'
import type { PlannedChange } from '../plan/plan.ts'
import { takeOver } from '../plan/take-over.ts'
import type { Applying } from './applying.ts'

/** The object changes while it is looked at: its status, say. */
const TRIES = 4

/**
 * Just before an object is adopted, what its former managers hold becomes ours, or, of one that is ours, what others put into its pod
 * template: by a patch of exactly the version that was looked at.
 * Nothing but ownership changes, so nothing restarts. What stopped it, an answer or whose it is by now; undefined: done, or nothing to do.
 */
export async function moveOwnership(
  { cluster, context }: Pick<Applying, 'cluster' | 'context'>,
  { desired, uid, action }: PlannedChange,
): Promise<ClusterAnswer | { readonly owners: readonly string[] } | undefined> {
  const { resource, id, object } = desired
  if (resource === undefined) return undefined
  const path = objectUrl(resource, id)
  const ignored = ignoreTest(context.ignore, { id, declared: desired.declared ?? object })
  for (let attempt = 1; ; attempt++) {
    const found = await cluster.request(context.account, { method: 'GET', path })
    // Whatever else is there now, the apply that follows says so.
    if (found.status !== 200 || !isKubeObject(found.body) || found.body.metadata.uid !== uid) return undefined
    const owners =
      action === 'adopt' && context.adopt === 'if-unowned' ? ownersOf(found.body, applySetId(context.delivery)) : []
    if (owners.length > 0) return { owners }
    const move =
      action === 'adopt' ? takeOver(found.body, object.apiVersion, ignored) : reclaim(id, found.body, ignored)
    if (move === undefined) return undefined
    const answer = await cluster.request(context.account, {
      method: 'PATCH',
      path,
      query: { fieldManager: FIELD_MANAGER },
      contentType: 'application/json-patch+json',
      body: move.patch,
    })
    if (answer.status === 200) return undefined
    // A test that does not hold is answered with 422.
    if ((answer.status !== 409 && answer.status !== 422) || attempt === TRIES) return answer
  }
}
