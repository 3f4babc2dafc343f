import { isKubeObject, type KubeObject, objectKey, objectName } from '../../contract/artifact/objects.ts'
import { hasCode } from '../../contract/errors.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster, ClusterAnswer } from '../cluster/cluster-port.ts'
import { objectUrl, resourceOfKind } from '../cluster/resources.ts'
import type { InventoryEntry } from '../kinds.ts'
import type { Account } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** What the cluster said of one entry that is no longer desired. */
export type LookedEntry = {
  readonly entry: InventoryEntry
  readonly key: string
  readonly live: KubeObject | undefined
  readonly path: string | undefined
  readonly refusal?: Refusal
  readonly failure?: Refusal
}

/**
 * Looks at what would be pruned, as the account: GET, and a dry-run delete of what is `ours`. A kind that the server does not know any
 * more is gone with its objects; a group that does not answer is a failure.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function lookAtLeftover(
  cluster: Cluster,
  account: Account,
  entry: InventoryEntry,
  ours: (live: KubeObject) => boolean,
  signal: AbortSignal | undefined,
): Promise<LookedEntry> {
  const seen = { entry, key: objectKey(entry), live: undefined, path: undefined }
  const name = objectName(entry)
  const fail = (message: string) => ({ failure: { object: name, code: 'CLUSTER_FAILED', message } as const })
  const refuse = (verb: string, answer: ClusterAnswer) => ({
    refusal: {
      object: name,
      code: 'OBJECT_FORBIDDEN',
      message: `it is to be pruned, and the service account may not ${verb} it: ${answerReason(answer)}`,
    } as const,
  })
  const path = await pathOf(cluster, entry)
  if (typeof path !== 'string') return path === undefined ? seen : { ...seen, ...fail(path.message) }
  const found = await cluster.request(account, { method: 'GET', path, ...(signal !== undefined && { signal }) })
  if (found.status === 404) return { ...seen, path }
  if (found.status === 403) return { ...seen, path, ...refuse('get', found) }
  if (found.status !== 200 || !isKubeObject(found.body)) return { ...seen, path, ...fail(answerReason(found)) }
  const live = found.body
  if (!ours(live) || live.metadata.deletionTimestamp !== undefined) return { ...seen, live, path }
  const query = { dryRun: 'All' }
  const body = deleteOptions({ uid: String(live.metadata.uid) })
  const trial = await cluster.request(account, {
    method: 'DELETE',
    path,
    query,
    body: { ...body, dryRun: ['All'] },
    ...(signal !== undefined && { signal }),
  })
  if (trial.status === 403) return { ...seen, live, path, ...refuse('delete', trial) }
  if (trial.status === 404) return { ...seen, path }
  if (trial.status >= 300) return { ...seen, live, path, ...fail(answerReason(trial)) }
  return { ...seen, live, path }
}

async function pathOf(cluster: Cluster, entry: InventoryEntry): Promise<string | undefined | { message: string }> {
  try {
    const resource = await resourceOfKind(cluster, entry.group, entry.kind)
    return resource === undefined ? undefined : objectUrl(resource, entry)
  } catch (error) {
    if (hasCode(error, 'CLUSTER_FAILED')) return { message: error.message }
    throw error
  }
}

/** Deletes exactly one object, and what depends on it in the background. */
export function deleteOptions(preconditions: { readonly uid: string; readonly resourceVersion?: string }) {
  return { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions }
}
