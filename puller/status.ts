import { isDeepStrictEqual } from 'node:util'
import type { JsonObject } from '../contract/canonical-json.ts'
import { answerError } from './cluster/answer-error.ts'
import type { Cluster } from './cluster/cluster-port.ts'
import type { Condition, DeliveryStatus } from './kinds.ts'
import { boundedMessage } from './message.ts'
import { deliveryPath } from './observe.ts'

export type Says = { readonly reason: string; readonly message: string }

/** What one look at a Delivery found out. What is left out stays as it was said before. */
export type Finding = {
  readonly generation: number
  /** `Unknown` while it is being applied or waited for. Only said True of the digest that is asked for and healthy. */
  readonly ready: Says & { readonly status: Condition['status'] }
  /** In progress. Absent: not. */
  readonly reconciling?: Says
  /** It will not get further until a person changes something. Absent: not. */
  readonly stalled?: Says
  /** Whether the source could be asked, and named something that may be used. */
  readonly sourceReady?: Says & { readonly status: Condition['status'] }
  readonly resolved?: Omit<NonNullable<DeliveryStatus['resolved']>, 'at'>
  readonly applied?: DeliveryStatus['applied']
  /** `null`: there is no schedule. */
  readonly schedule?: NonNullable<DeliveryStatus['schedule']> | null
  readonly lastRecord?: DeliveryStatus['lastRecord']
  /** `null`: it was compared, and there is none. */
  readonly drift?: Omit<NonNullable<DeliveryStatus['drift']>, 'at'> | null
}

/**
 * The status that a finding leads to. Times move only when what they tell about changed, so that looking again and
 * finding the same gives an equal status. `Reconciling` and `Stalled` are there only when True, as kstatus reads them.
 */
export function nextStatus(before: DeliveryStatus, finding: Finding, now: string): DeliveryStatus {
  const wanted: [string, (Says & { status: Condition['status'] }) | undefined][] = [
    ['Ready', finding.ready],
    ['Reconciling', finding.reconciling && { ...finding.reconciling, status: 'True' }],
    ['Stalled', finding.stalled && { ...finding.stalled, status: 'True' }],
    ['SourceReady', finding.sourceReady ?? kept(before, 'SourceReady')],
  ]
  const conditions = wanted.flatMap(([type, says]) =>
    says === undefined ? [] : [condition(before, type, says, finding.generation, now)],
  )
  const resolved = finding.resolved === undefined ? before.resolved : dated(before.resolved, finding.resolved, now)
  const applied = finding.applied ?? before.applied
  const lastRecord = finding.lastRecord ?? before.lastRecord
  const schedule = finding.schedule === undefined ? before.schedule : (finding.schedule ?? undefined)
  const drift = finding.drift === undefined ? before.drift : nextDrift(before.drift, finding.drift, now)
  return {
    observedGeneration: finding.generation,
    conditions,
    ...(resolved === undefined ? {} : { resolved }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(applied === undefined ? {} : { applied }),
    ...(lastRecord === undefined ? {} : { lastRecord }),
    ...(drift === undefined ? {} : { drift }),
  }
}

function kept(before: DeliveryStatus, type: string): Condition | undefined {
  return before.conditions?.find((condition) => condition.type === type)
}

function condition(
  before: DeliveryStatus,
  type: string,
  says: Says & { readonly status: Condition['status'] },
  observedGeneration: number,
  now: string,
): Condition {
  const last = kept(before, type)
  return {
    type,
    status: says.status,
    reason: says.reason,
    message: boundedMessage(says.message),
    lastTransitionTime: last?.status === says.status ? last.lastTransitionTime : now,
    observedGeneration,
  }
}

function dated<T extends object>(before: (T & { at: string }) | undefined, next: T, now: string): T & { at: string } {
  if (before === undefined) return { ...next, at: now }
  const { at, ...rest } = before
  return { ...next, at: isDeepStrictEqual(rest, next) ? at : now }
}

function nextDrift(before: DeliveryStatus['drift'], found: Finding['drift'], now: string): DeliveryStatus['drift'] {
  if (found === null || found === undefined) return undefined
  return dated(before, found, now)
}

/**
 * Writes the status with one PATCH of the status subresource, and nothing at all when it says what was said before.
 * True when it was written. A Delivery that is gone, or another one by now, is no error.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function writeStatus(
  cluster: Cluster,
  delivery: { readonly namespace: string; readonly name: string; readonly uid: string },
  before: DeliveryStatus,
  next: DeliveryStatus,
): Promise<boolean> {
  if (isDeepStrictEqual(before, next)) return false
  const gone = Object.fromEntries(Object.keys(before).map((key) => [key, null]))
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: `${deliveryPath(delivery.namespace, delivery.name)}/status`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { uid: delivery.uid }, status: parseStatusBody({ ...gone, ...next }) },
  })
  if (answer.status !== 200 && answer.status !== 404 && answer.status !== 409)
    throw answerError(`the status of Delivery ${delivery.namespace}/${delivery.name}`, answer)
  return true
}

function parseStatusBody(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject
}
