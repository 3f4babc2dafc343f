import { timestamp } from '../clock.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Delivery } from '../kinds.ts'
import { deliveryPath, parseDelivery } from '../observe.ts'
import type { Ledger } from '../records/ledger.ts'
import type { Site } from '../site.ts'
import { type Control, controlOf, holdEndFacts, suspensionFacts } from './control.ts'

/** Field manager of the puller's own edits of a spec: an end time that has come takes its field with it. */
const EXPIRY_MANAGER = 'waybill-expiry'

export type TakenControl =
  | { readonly kind: 'suspended'; readonly message: string; readonly lookInMs?: number }
  /** Somebody else edited it just now: it is looked at again, when that is known here. */
  | { readonly kind: 'overtaken' }
  /** `delivery`: without what has expired. */
  | { readonly kind: 'go'; readonly delivery: Delivery }

/**
 * What operators allow, before anything is asked: suspensions and ends of holds go on record, and what has expired is taken out of the spec.
 * Where that may not be done, it is passed over.
 * @throws WaybillError CLUSTER_*
 */
export async function takeControl(
  site: Pick<Site, 'cluster' | 'clock' | 'log'>,
  delivery: Delivery,
  ledger: Ledger,
): Promise<TakenControl> {
  const nowMs = site.clock.nowMs()
  const control = controlOf(delivery, nowMs)
  // A chain that is broken is told of elsewhere, and takes no records.
  if (ledger.summary.broken === undefined) {
    const facts = suspensionFacts(delivery, control, ledger.summary, timestamp(site.clock))
    if (facts !== undefined) await ledger.append(facts)
  }
  if (control.suspended !== undefined) return suspended(delivery, control.suspended, nowMs)
  if (control.expired.length === 0) return { kind: 'go', delivery }
  if (control.expired.includes('hold') && ledger.summary.broken === undefined) {
    const facts = holdEndFacts(delivery, ledger.summary, timestamp(site.clock))
    if (facts !== undefined) await ledger.append(facts)
  }
  const left = await dropExpired(site, delivery, control)
  return left === undefined ? { kind: 'overtaken' } : { kind: 'go', delivery: left }
}

function suspended(
  { spec: { suspend } }: Delivery,
  { untilMs, reason }: NonNullable<Control['suspended']>,
  nowMs: number,
): TakenControl {
  const end = suspend?.until === undefined ? '' : ` until ${suspend.until}`
  const why = reason === undefined ? '' : `: ${reason}`
  const message = `hands off${end}, drift included${why}`
  return { kind: 'suspended', message, ...(untilMs === undefined ? {} : { lookInMs: untilMs - nowMs }) }
}

/** The Delivery as it is then; where the puller may not edit it, as it counts. Undefined: somebody else edited meanwhile. */
async function dropExpired(
  { cluster, log }: Pick<Site, 'cluster' | 'log'>,
  { namespace, name, resourceVersion, status }: Delivery,
  { expired, delivery }: Control,
): Promise<Delivery | undefined> {
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: deliveryPath(namespace, name),
    query: { fieldManager: EXPIRY_MANAGER },
    contentType: 'application/merge-patch+json',
    body: { metadata: { resourceVersion }, spec: Object.fromEntries(expired.map((field) => [field, null])) },
  })
  if (answer.status === 200) return { ...parseDelivery(answer.body), status }
  if (answer.status === 404 || answer.status === 409) return undefined
  if (answer.status !== 403 && answer.status !== 422) throw answerError(`Delivery ${namespace}/${name}`, answer)
  log.warn(
    { delivery: `${namespace}/${name}` },
    `the puller may not take the expired ${expired.join(', ')} out of spec`,
  )
  return delivery
}
