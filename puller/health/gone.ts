import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Clock } from '../clock.ts'
import { answerReason } from '../cluster/answer.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import type { Account } from '../plan/plan-context.ts'
import type { HealthNote } from './health-board.ts'

/** Exactly one object: its name for people, its path, its uid. */
type Target = { readonly name: string; readonly path: string; readonly uid: string }

const AT_ONCE = 16
const RETRY_MS = 500

/**
 * Waits, by a list and a watch of each object as the account, until all are gone, time is up or `signal` aborts. Returns those that are still
 * there. Another object of the same name does not count.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH
 */
export async function waitGone(
  account: Account,
  targets: readonly Target[],
  cluster: Cluster,
  { timeoutMs, clock, signal }: { readonly timeoutMs: number; readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<readonly HealthNote[]> {
  if (targets.length === 0) return []
  const stop = new AbortController()
  const ending = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal])
  const timer = clock.sleep(timeoutMs, ending).then(() => stop.abort())
  try {
    const notes = await inParallel(targets, AT_ONCE, (target) => untilGone(account, target, cluster, clock, ending))
    return notes.flatMap((note) => note ?? [])
  } finally {
    stop.abort()
    await timer
  }
}

async function untilGone(
  account: Account,
  { name, path, uid }: Target,
  cluster: Cluster,
  clock: Clock,
  signal: AbortSignal,
): Promise<HealthNote | undefined> {
  const at = path.lastIndexOf('/')
  const collection = path.slice(0, at)
  const selector = { fieldSelector: `metadata.name=${decodeURIComponent(path.slice(at + 1))}` }
  let message = 'it is being deleted and not gone yet'
  while (!signal.aborted) {
    const answer = await listed(cluster, account, collection, selector, signal)
    if (answer === undefined) break
    if (answer.status === 403)
      return { object: name, message: 'it is being deleted, and the service account may not list and watch it' }
    if (answer.status === 200) {
      const items = Array.isArray(answer.body.items) ? answer.body.items.filter(isJsonObject) : []
      const found = items.find((item) => metadataOf(item).uid === uid)
      if (found === undefined) return undefined
      message = messageOf(found)
      const query = { ...selector, resourceVersion: String(metadataOf(answer.body).resourceVersion ?? '') }
      for await (const { type, object } of cluster.watch(account, { path: collection, query, signal })) {
        if (type === 'ERROR') break
        if (type === 'DELETED' && metadataOf(object).uid === uid) return undefined
      }
    } else message = `it is being deleted, and its API does not answer: ${answerReason(answer)}`
    await clock.sleep(RETRY_MS, signal)
  }
  return { object: name, message }
}

async function listed(
  cluster: Cluster,
  account: Account,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
) {
  try {
    return await cluster.request(account, { method: 'GET', path, query, signal })
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  }
}

function metadataOf({ metadata }: JsonObject): JsonObject {
  return isJsonObject(metadata) ? metadata : {}
}

/** Finalizers are names, and say who has not let go of it. */
function messageOf(object: JsonObject): string {
  const { finalizers } = metadataOf(object)
  const names = Array.isArray(finalizers) ? finalizers.filter((one) => typeof one === 'string').slice(0, 5) : []
  return `it is being deleted and not gone yet${names.length === 0 ? '' : `: ${names.join(', ')} has to let go of it`}`
}
