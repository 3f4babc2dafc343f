import { type Digest, shortDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { API_VERSION, type Delivery, type RecordSpec, recordSpecSchema } from '../kinds.ts'
import { isApplied } from './ledger-summary.ts'
import { listRecords, type NamedRecord } from './record.ts'

export type RollbackTarget = { readonly to: Digest } | { readonly steps: number }
export type RolledTo = { readonly digest: Digest; readonly version?: string }

/**
 * Puts a Delivery on hold at a digest that its records show was applied; the puller verifies it again and goes there.
 * Guarded by the resourceVersion that was read. Asked as whoever the kubeconfig is.
 * @throws WaybillError ROLLBACK_TARGET, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND
 */
export async function rollback(
  cluster: Cluster,
  delivery: Delivery,
  target: RollbackTarget,
  options: { readonly reason?: string },
): Promise<RolledTo> {
  const chosen = chooseTarget(await listRecords(cluster, delivery), target, current(delivery))
  const hold = {
    digest: chosen.digest,
    ...(options.reason === undefined ? {} : { reason: options.reason.slice(0, 1024) }),
  }
  await patchHold(cluster, delivery, 'waybill-rollback', hold)
  return chosen
}

/** Lifts a hold: the Delivery follows its source again. @throws WaybillError HOLD_MISSING, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND */
export async function unhold(cluster: Cluster, delivery: Delivery): Promise<{ readonly lifted: Digest }> {
  const { hold } = delivery.spec
  if (hold === undefined)
    throw new WaybillError('HOLD_MISSING', `Delivery ${delivery.namespace}/${delivery.name} is not on hold`)
  await patchHold(cluster, delivery, 'waybill-unhold', null)
  return { lifted: hold.digest }
}

/**
 * The digest to go back to. `steps` counts back over the releases that were applied, one after another, without the
 * rollbacks between them, from the newest place where `now` (what runs) stands. Pure.
 * @throws WaybillError ROLLBACK_TARGET
 */
export function chooseTarget(
  records: readonly NamedRecord[],
  target: RollbackTarget,
  now: Digest | undefined,
): RolledTo {
  const applied = readable(records).filter(isApplied)
  if ('to' in target) {
    const found = applied.findLast((record) => record.digest === target.to)
    if (found !== undefined) return release(found, target.to)
    throw new WaybillError('ROLLBACK_TARGET', `${target.to} was never applied here`)
  }
  const line: RolledTo[] = []
  for (const record of applied)
    if (record.kind !== 'RolledBack' && record.digest !== undefined && line.at(-1)?.digest !== record.digest)
      line.push(release(record, record.digest))
  const at = line.findLastIndex(({ digest }) => digest === (now ?? line.at(-1)?.digest))
  const chosen = Number.isSafeInteger(target.steps) && target.steps > 0 && at >= 0 ? line[at - target.steps] : undefined
  if (chosen !== undefined) return chosen
  const before = line.slice(0, Math.max(0, at)).map(({ digest }) => shortDigest(digest))
  throw new WaybillError(
    'ROLLBACK_TARGET',
    `there is no release ${target.steps} before the one that runs; applied before it: ${before.join(', ') || 'nothing'}`,
  )
}

function current(delivery: Delivery): Digest | undefined {
  return delivery.spec.hold?.digest ?? delivery.status.applied?.digest
}

function release(record: RecordSpec, digest: Digest): RolledTo {
  return { digest, ...(record.version === undefined ? {} : { version: record.version }) }
}

function readable(records: readonly NamedRecord[]): RecordSpec[] {
  return records
    .flatMap(({ spec }) => {
      const parsed = recordSpecSchema.safeParse(spec)
      return parsed.success ? [parsed.data] : []
    })
    .sort((a, b) => a.sequence - b.sequence)
}

async function patchHold(
  cluster: Cluster,
  delivery: Delivery,
  fieldManager: string,
  hold: { readonly digest: Digest; readonly reason?: string } | null,
): Promise<void> {
  const { namespace, name, resourceVersion } = delivery
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/deliveries/${encodeURIComponent(name)}`,
    query: { fieldManager },
    contentType: 'application/merge-patch+json',
    body: { metadata: { resourceVersion }, spec: { hold } },
  })
  if (answer.status !== 200) throw answerError(`Delivery ${namespace}/${name}`, answer)
}
