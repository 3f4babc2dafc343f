import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { ANNOTATION, type Delivery } from '../kinds.ts'
import { editDeliveryObject } from './edit-spec.ts'

/** `until`: RFC 3339; absent: until it is resumed. */
export type Suspension = { readonly until?: string; readonly reason?: string }

/** Puts a Delivery aside, or changes for how long and why. @throws WaybillError as editDeliveryObject */
export async function suspend(cluster: Cluster, delivery: Delivery, { until, reason }: Suspension): Promise<void> {
  // What was said before goes: a merge patch would leave it.
  const spec = { suspend: { until: until ?? null, reason: reason?.slice(0, 1024) ?? null } }
  await editDeliveryObject(cluster, delivery, 'waybill-suspend', { spec })
}

export type Lift = { readonly at: Date; readonly reason?: string }

/** Says who lifts something, and why, where it can be read when the field is gone. */
export function liftAnnotation({ at, reason = '' }: Lift): Readonly<Record<string, string>> {
  const text = reason.replace(/\s+/g, ' ').slice(0, 1024)
  return { [ANNOTATION.lifted]: `${at.toISOString().slice(0, 19)}Z ${text}`.trimEnd() }
}

/** Takes a suspension back. @throws WaybillError SUSPEND_MISSING; as editDeliveryObject */
export async function resume(cluster: Cluster, delivery: Delivery, why: Lift): Promise<void> {
  if (delivery.spec.suspend === undefined)
    throw new WaybillError('SUSPEND_MISSING', `Delivery ${delivery.namespace}/${delivery.name} is not suspended`)
  const annotations = liftAnnotation(why)
  await editDeliveryObject(cluster, delivery, 'waybill-resume', { spec: { suspend: null }, annotations })
}
