import { shortDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { ANNOTATION, type Delivery, type DeliveryStatus } from '../kinds.ts'
import { editDeliveryObject } from './edit-spec.ts'

export type WaitingPlan = NonNullable<DeliveryStatus['plan']>

/** The plan of a Delivery that waits to be approved, where one does. Pure. */
export function planThatWaits({ spec, status }: Pick<Delivery, 'spec' | 'status'>): WaitingPlan | undefined {
  return spec.sync === 'approve' ? status.plan : undefined
}

/**
 * The plan to approve: of this digest, and, where one is named, this plan. Pure.
 * @throws WaybillError APPROVAL_MISSING where nothing waits; PLAN_STALE where another digest or plan does
 */
export function planToApprove(delivery: Delivery, digest: string | undefined, plan: string | undefined): WaitingPlan {
  const waiting = planThatWaits(delivery)
  const what = `Delivery ${delivery.namespace}/${delivery.name}`
  if (waiting === undefined) {
    const why =
      delivery.spec.suspend === undefined ? '' : ': it is suspended, and nothing is planned until it is resumed'
    throw new WaybillError('APPROVAL_MISSING', `${what}: no plan waits for approval${why}`)
  }
  if (digest !== undefined && waiting.digest !== digest)
    throw new WaybillError('PLAN_STALE', `${what}: not ${digest} but ${waiting.digest} waits for approval`)
  if (plan !== undefined && waiting.plan !== plan)
    throw new WaybillError('PLAN_STALE', `${what}: the plan is ${waiting.plan} by now, not ${shortDigest(plan)}`)
  return waiting
}

/** Approves exactly this plan; the puller makes it again and carries it out where it is still the same. @throws as editDeliveryObject */
export async function approve(cluster: Cluster, delivery: Delivery, { digest, plan }: WaitingPlan): Promise<void> {
  const annotations = { [ANNOTATION.approve]: `${digest} ${plan}` }
  await editDeliveryObject(cluster, delivery, 'waybill-approve', { annotations })
}
