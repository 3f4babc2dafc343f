import type { Delivery } from '../kinds.ts'
import { controlOf, windowWait } from './control.ts'

/** Everything here is pure: what stands between what a person just did and a release, as sentences; none: nothing does. */

type Whose = Pick<Delivery, 'namespace' | 'name' | 'spec'>

const OBSERVED = 'Its sync is observe: nothing is written.'

/** After a hold is lifted: a release other than what runs may still have to wait. */
export function afterUnhold(delivery: Whose, nowMs: number): readonly string[] {
  const { namespace, name, spec } = delivery
  if (spec.sync === 'observe') return [OBSERVED]
  const approval = `Its sync is approve: another release than what runs waits for approval (\`waybill plan ${name} -n ${namespace}\`).`
  return [
    ...suspended(delivery, nowMs, 'and follows it when it is resumed'),
    ...(spec.sync === 'approve' ? [approval] : []),
    ...outsideWindow(delivery, nowMs, 'Another release than what runs'),
  ]
}

/** After a plan is approved: when it is carried out. */
export function afterApproval(delivery: Whose, nowMs: number): readonly string[] {
  const again = ' If its plan has gone stale by then, it asks again.'
  const waits = [
    ...suspended(delivery, nowMs, 'and goes out when it is resumed'),
    ...outsideWindow(delivery, nowMs, 'It'),
  ]
  return waits.map((why, i) => (i === waits.length - 1 ? `${why}${again}` : why))
}

function suspended({ namespace, name, spec }: Whose, nowMs: number, then: string): readonly string[] {
  if (controlOf({ spec }, nowMs).suspended === undefined) return []
  const end = spec.suspend?.until === undefined ? '' : ` until ${spec.suspend.until}`
  return [`It is suspended${end}, ${then} (\`waybill resume ${name} -n ${namespace}\`).`]
}

function outsideWindow(delivery: Whose, nowMs: number, what: string): readonly string[] {
  const wait = windowWait(delivery, nowMs)
  return wait === undefined ? [] : [`${what} waits for a window: ${wait.until}.`]
}
