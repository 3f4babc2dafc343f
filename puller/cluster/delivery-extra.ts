import type { Identity } from './cluster-port.ts'

/** Of the user that a request is made as: `<namespace>/<name>` of the Delivery that it is made for. */
export const DELIVERY_EXTRA = 'waybill.dev/delivery'

/** The account that is acted as for a Delivery, and the Delivery's name, which goes along where the guard is installed. */
export function accountOf(delivery: {
  readonly namespace: string
  readonly name: string
  readonly spec: { readonly serviceAccountName: string }
}): Exclude<Identity, 'puller'> {
  const { namespace, name, spec } = delivery
  return { namespace, serviceAccount: spec.serviceAccountName, delivery: name }
}
