import { type Digest, shortDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { isHold } from '../control/control.ts'
import { editDeliveryObject } from '../control/edit-spec.ts'
import { type Lift, liftAnnotation } from '../control/suspend.ts'
import { type Delivery, type RecordSpec, recordSpecSchema } from '../kinds.ts'
import { isApplied } from './ledger-summary.ts'
import { listRecords, type NamedRecord } from './record.ts'

export type RollbackTarget = { readonly to: Digest } | { readonly steps: number }
export type RolledTo = { readonly digest: Digest; readonly version?: string }

/**
 * Puts a Delivery on hold at a digest that its records show was applied; the puller verifies it again and goes there.
 * `until`: RFC 3339; then it is lifted by itself. Guarded by the resourceVersion that was read. Asked as whoever the kubeconfig is.
 * @throws WaybillError ROLLBACK_TARGET, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND
 */
export async function rollback(
  cluster: Cluster,
  delivery: Delivery,
  target: RollbackTarget,
  options: { readonly reason?: string; readonly until?: string },
): Promise<RolledTo> {
  const chosen = chooseTarget(await listRecords(cluster, delivery), target, current(delivery))
  // What an earlier hold said goes: a merge patch would leave it.
  const hold = { digest: chosen.digest, reason: options.reason?.slice(0, 1024) ?? null, until: options.until ?? null }
  await editDeliveryObject(cluster, delivery, 'waybill-rollback', { spec: { hold } })
  return chosen
}

/** Lifts a hold: the Delivery follows its source again. @throws WaybillError HOLD_MISSING, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN, CLUSTER_NOT_FOUND */
export async function unhold(cluster: Cluster, delivery: Delivery, why: Lift): Promise<{ readonly lifted: Digest }> {
  const { hold } = delivery.spec
  if (hold === undefined)
    throw new WaybillError('HOLD_MISSING', `Delivery ${delivery.namespace}/${delivery.name} is not on hold`)
  const annotations = liftAnnotation(why)
  await editDeliveryObject(cluster, delivery, 'waybill-unhold', { spec: { hold: null }, annotations })
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
  for (const record of applied) {
    const { kind, digest } = record
    const goesOnHeld = kind === 'Unchanged' && isHold(record) && line.some((earlier) => earlier.digest === digest)
    if (kind !== 'RolledBack' && !goesOnHeld && digest !== undefined && line.at(-1)?.digest !== digest)
      line.push(release(record, digest))
  }
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
