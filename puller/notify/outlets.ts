import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Delivery, DeliveryStatus } from '../kinds.ts'
import { deliveryPath } from '../observe.ts'
import type { Message, Notification } from './messages.ts'

type Cursors = NonNullable<DeliveryStatus['notified']>

/** One notification of a Delivery, and how far it got. */
export type Outlet = {
  notification: Notification
  sequence: number
  error: string | undefined
  /** What of these two was last written to the status. */
  written: string
  waiting: readonly Message[]
  attempts: number
  working: Promise<void> | undefined
}

/** A Delivery with notifications. */
export type Known = {
  readonly uid: string
  delivery: Delivery
  readonly outlets: Map<string, Outlet>
  readonly ended: AbortController
  writing: Promise<void>
}

export function newOutlet(notification: Notification, sequence: number, error: string | undefined): Outlet {
  const written = stateOf({ sequence, error })
  return { notification, sequence, error, written, waiting: [], attempts: 0, working: undefined }
}

export function stateOf({ sequence, error = '' }: Pick<Outlet, 'sequence' | 'error'>): string {
  return `${sequence} ${error}`
}

export function isWritten(outlet: Outlet): boolean {
  return outlet.written === stateOf(outlet)
}

/** Writes how far each of them got, with one PATCH. A Delivery that is gone is no error. @throws WaybillError CLUSTER_* */
export async function writeCursors(cluster: Cluster, { delivery, uid, outlets }: Known): Promise<void> {
  const notified: Cursors = [...outlets].map(([name, { sequence, error }]) => ({
    name,
    sequence,
    ...(error === undefined ? {} : { error: error.slice(0, 2048) }),
  }))
  const answer = await cluster.request('puller', {
    method: 'PATCH',
    path: `${deliveryPath(delivery.namespace, delivery.name)}/status`,
    contentType: 'application/merge-patch+json',
    body: { metadata: { uid }, status: { notified: notified.length === 0 ? null : notified } },
  })
  if (answer.status !== 200 && answer.status !== 404 && answer.status !== 409)
    throw answerError(`status.notified of Delivery ${delivery.namespace}/${delivery.name}`, answer)
}
