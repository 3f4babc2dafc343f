import { WaybillError } from '../../contract/errors.ts'
import { answerError } from '../cluster/answer-error.ts'
import { FINALIZER } from '../kinds.ts'
import { deliveryPath } from '../observe.ts'
import { holdBack } from '../remove/finalizer.ts'
import { type Deleting, deleteTargets } from './delete-targets.ts'
import { PARTS, type Part } from './parts.ts'
import { awaitNoPods, refuseWhileHeld } from './stop-puller.ts'
import { type FoundDelivery, lookAtNamespace, type Survey, survey } from './survey.ts'

export type Uninstalling = Deleting & {
  /** Called when no puller works any more, and before any record goes. */
  readonly saveRecords: () => Promise<void>
  /** What is being done, one line. */
  readonly progress: (line: string) => void
}

const SAYS: Readonly<Record<Part, string>> = {
  puller: 'stopping the puller',
  rights: 'taking back the puller’s rights',
  policies: 'removing the admission policies',
  kinds: 'removing the kinds, with all Deliveries, TrustPolicies, inventories and records',
  rest: 'removing what else is Waybill’s',
  namespace: 'removing the puller’s namespace',
}

/**
 * Removes what the survey found, and leaves everything that was delivered as it is: the puller first, which would delete what Deliveries with
 * `deletion: delete` delivered; then its rights, by which any other that still ran could; then the rest. Each step can be taken again.
 * Returns why the puller's namespace stays, where it does.
 * @throws WaybillError PULLER_RUNNING; UNINSTALL_UNFINISHED with what is left; CLUSTER_*
 */
export async function uninstall(found: Survey, uninstalling: Uninstalling): Promise<Survey['stays']> {
  const { cluster, progress, saveRecords } = uninstalling
  const { namespace, targets, deliveries } = found
  await refuseWhileHeld(uninstalling, namespace)
  let current: Part = 'puller'
  try {
    return await removeAll()
  } catch (error) {
    throw unfinished(error, found, current)
  }

  async function removeAll(): Promise<Survey['stays']> {
    const isDelivered = Object.values(targets).some((part) => part.some((target) => target.isDelivered))
    for (const part of PARTS) {
      current = part
      // A puller that delivers itself would be back at once: what it may do goes before it.
      if (part === 'puller' && isDelivered) await removePart('rights')
      if (part === 'kinds') {
        await saveRecords()
        if (deliveries.length > 0) progress('letting go of the Deliveries, without deleting what they delivered')
        for (const delivery of deliveries) await letGo(delivery)
      }
      if (part === 'namespace') return removeNamespace()
      await removePart(part)
      if (part !== 'puller') continue
      await awaitNoPods(uninstalling, namespace)
      await refuseWhileHeld(uninstalling, namespace)
    }
    return undefined
  }

  /** Even a puller that nobody knew of deletes nothing for a Delivery that says `orphan`. */
  async function letGo(delivery: FoundDelivery): Promise<void> {
    const { namespace, name, finalizers = [], deletes } = delivery
    if (deletes) await orphan(cluster, delivery)
    await holdBack(cluster, delivery, 'free')
    const others = finalizers.filter((one) => one !== FINALIZER)
    if (others.length > 0)
      progress(`warning: Delivery ${namespace}/${name} goes when whoever put them there takes off ${others.join(', ')}`)
  }

  async function removePart(part: Part): Promise<void> {
    const these = targets[part]
    if (these.length === 0) return
    progress(SAYS[part])
    // In the order of the survey: bindings before what they bind to.
    for (const kind of new Set(these.map(({ resource }) => resource.kind)))
      await deleteTargets(
        uninstalling,
        these.filter(({ resource }) => resource.kind === kind),
      )
  }

  /** Looked at again: somebody may have put something into it meanwhile. */
  async function removeNamespace(): Promise<Survey['stays']> {
    const own = await lookAtNamespace(cluster, namespace, targets)
    if (own === 'forbidden') throw new WaybillError('CLUSTER_FORBIDDEN', `you may not get namespace ${namespace}`)
    const { target, stays } = own
    if (target === undefined) return stays
    progress(SAYS.namespace)
    await deleteTargets(uninstalling, [target])
    return undefined
  }
}

async function orphan(cluster: Deleting['cluster'], { namespace, name, uid }: FoundDelivery): Promise<void> {
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: deliveryPath(namespace, name),
    contentType: 'application/merge-patch+json',
    body: { metadata: { uid }, spec: { deletion: 'orphan' } },
  })
  // 409: another one of its name.
  if (![200, 404, 409].includes(answer.status)) throw answerError(`Delivery ${namespace}/${name}`, answer)
}

/** The error of a step, with what is left to do. */
function unfinished(error: unknown, { namespace, targets }: Survey, current: Part): unknown {
  if (!(error instanceof WaybillError)) return error
  const left = PARTS.slice(PARTS.indexOf(current)).filter((part) => targets[part].length > 0)
  const todo = left.length === 0 ? '' : `; left to do: ${left.map((part) => SAYS[part]).join(', ')}`
  const again = `Running it again, with --puller-namespace ${namespace}, goes on where it stopped.`
  const hint = error.code === 'UNINSTALL_UNFINISHED' ? again : `${error.hint} ${again}`
  return new WaybillError(error.code, `${error.message}${todo}`, { hint, cause: error })
}

/** @throws WaybillError UNINSTALL_UNFINISHED where anything of Waybill is left or has come back */
export async function verifyRemoved(cluster: Deleting['cluster'], namespace: string): Promise<void> {
  const { targets } = await survey(cluster, namespace)
  const left = Object.values(targets).flat()
  if (left.length > 0)
    throw new WaybillError(
      'UNINSTALL_UNFINISHED',
      `these are there again, or still: ${left.map(({ resource, name }) => `${resource.kind} ${name}`).join(', ')}`,
      { hint: 'Something else puts them there: remove them from it first. Running it again goes on where it stopped.' },
    )
}
