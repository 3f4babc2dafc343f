import { isDeepStrictEqual } from 'node:util'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { versionOf } from '../cluster/version.ts'
import type { Condition, DeliveryStatus } from '../kinds.ts'
import { boundedMessage } from '../message.ts'
import { deliveryPath } from '../observe.ts'

export type Says = { readonly reason: string; readonly message: string }
export type Verdict = Says & { readonly status: Condition['status'] }

/** What one look at a Delivery found out. What is left out stays as it was said before; `null` takes it back. */
export type Finding = {
  readonly generation: number
  /** `Unknown` while it is being applied or waited for. Only said True of the digest that is asked for and healthy. */
  readonly ready: Verdict
  /** In progress. Absent: not. */
  readonly reconciling?: Says
  /** It will not get further until a person changes something. Absent: not. */
  readonly stalled?: Says
  /** Of the digest that is asked for: `Unknown` where the source could not be asked. */
  readonly verified?: Verdict
  /** Of what was applied last. */
  readonly healthy?: Verdict
  /** Whether the cluster differs from what was applied, and was left so. */
  readonly drifted?: Verdict
  /** What runs, in a few words. */
  readonly runs?: string
  readonly resolved?: Omit<NonNullable<DeliveryStatus['resolved']>, 'at'>
  readonly applied?: DeliveryStatus['applied']
  readonly schedule?: DeliveryStatus['schedule'] | null
  readonly lastRecord?: DeliveryStatus['lastRecord']
  readonly drift?: Omit<NonNullable<DeliveryStatus['drift']>, 'at'> | null
  /** Left out, it is taken back as soon as nothing is `reconciling`. */
  readonly progress?: DeliveryStatus['progress'] | null
  readonly plan?: Omit<NonNullable<DeliveryStatus['plan']>, 'at'> | null
  readonly unmanaged?: Omit<NonNullable<DeliveryStatus['unmanaged']>, 'at'> | null
}

/**
 * The status that a finding leads to. Times move only when what they tell about changed, so that looking again and
 * finding the same gives an equal status. `Reconciling` and `Stalled` are there only when True, as kstatus reads them; a condition that
 * was not looked at keeps the generation that it was said of. `notified` has a writer of its own (puller/notify/) and is not touched.
 */
export function nextStatus(before: DeliveryStatus, finding: Finding, now: string): DeliveryStatus {
  const { generation, reconciling, stalled } = finding
  const said = (type: string, says: Verdict | undefined): Condition[] =>
    says === undefined ? [] : [condition(before, type, says, generation, now)]
  const saidOrKept = (type: string, says: Verdict | undefined): Condition[] => {
    const last = kept(before, type)
    return says === undefined && last !== undefined ? [last] : said(type, says)
  }
  const progress = finding.progress === undefined && reconciling === undefined ? null : finding.progress
  return withoutUndefined({
    observedGeneration: generation,
    conditions: [
      ...said('Ready', finding.ready),
      ...said('Reconciling', reconciling && { ...reconciling, status: 'True' }),
      ...said('Stalled', stalled && { ...stalled, status: 'True' }),
      ...saidOrKept('Verified', finding.verified),
      ...saidOrKept('Healthy', finding.healthy),
      ...saidOrKept('Drifted', finding.drifted),
    ],
    runs: finding.runs ?? before.runs,
    resolved: dated(before.resolved, finding.resolved, now),
    schedule: orBefore(before.schedule, finding.schedule),
    applied: finding.applied ?? before.applied,
    lastRecord: finding.lastRecord ?? before.lastRecord,
    drift: dated(before.drift, finding.drift, now),
    progress: orBefore(before.progress, progress),
    plan: dated(before.plan, finding.plan, now),
    unmanaged: dated(before.unmanaged, finding.unmanaged, now),
    notified: before.notified,
  })
}

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined }

/** Only what is said. */
function withoutUndefined(status: Loose<DeliveryStatus>): DeliveryStatus {
  const { conditions, ...rest } = status
  return {
    ...(conditions === undefined ? {} : { conditions }),
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
  }
}

function orBefore<T>(before: T | undefined, found: T | null | undefined): T | undefined {
  return found === undefined ? before : (found ?? undefined)
}

function kept(before: DeliveryStatus, type: string): Condition | undefined {
  return before.conditions?.find((condition) => condition.type === type)
}

function condition(
  before: DeliveryStatus,
  type: string,
  says: Verdict,
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

function dated<T extends object>(
  before: (T & { at: string }) | undefined,
  found: T | null | undefined,
  now: string,
): (T & { at: string }) | undefined {
  if (found === undefined || before === undefined) return orBefore(before, found && { ...found, at: now })
  if (found === null) return undefined
  const { at, ...rest } = before
  return { ...found, at: isDeepStrictEqual(rest, found) ? at : now }
}

/**
 * Writes the status with one PATCH of the status subresource, and nothing at all when it says what was said before.
 * In which version of the Delivery it was written; undefined where it was not. A Delivery that is gone, or another one by now, is no error.
 * @throws WaybillError CLUSTER_FORBIDDEN, CLUSTER_FAILED
 */
export async function writeStatus(
  cluster: Cluster,
  delivery: { readonly namespace: string; readonly name: string; readonly uid: string },
  before: DeliveryStatus,
  next: DeliveryStatus,
): Promise<number | undefined> {
  const [{ notified: _was, ...old }, { notified: _is, ...said }] = [before, next]
  if (isDeepStrictEqual(old, said)) return undefined
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: `${deliveryPath(delivery.namespace, delivery.name)}/status`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { uid: delivery.uid }, status: mergePatch(parseStatusBody(old), parseStatusBody(said)) },
  })
  if (answer.status !== 200 && answer.status !== 404 && answer.status !== 409)
    throw answerError(`the status of Delivery ${delivery.namespace}/${delivery.name}`, answer)
  return answer.status === 200 ? versionOf(answer.body) : undefined
}

/** Leads from one to the other by a merge patch: what is no longer there is taken out by its name, inside of what stays too. */
function mergePatch(before: JsonObject, next: JsonObject): JsonObject {
  const gone = Object.keys(before).filter((key) => next[key] === undefined)
  const stays = Object.entries(next).map(([key, value]) => {
    const was = before[key]
    return [key, isJsonObject(was) && isJsonObject(value) ? mergePatch(was, value) : value]
  })
  return Object.fromEntries([...gone.map((key) => [key, null]), ...stays])
}

function parseStatusBody(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject
}
