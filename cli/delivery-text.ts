import type { JsonObject } from '../contract/canonical-json.ts'
import { ERRORS, isErrorCode } from '../contract/errors.ts'
import { type ReleaseWindow, windowStateAt } from '../puller/control/windows.ts'
import { type DeliveryStatus, deliverySpecSchema } from '../puller/kinds.ts'
import { parseHeader } from '../puller/observe.ts'
import { type DeliveryRow, deliveryRows } from '../puller/records/history.ts'
import { counted, shorten } from './output.ts'

/** Everything here is pure: a Delivery as people read it. */

/** `production`, `version >=1.4 <2 → 1.5.2`, a digest. */
export function followed({ source, resolved }: DeliveryRow, text = shorten(source)): string {
  return resolved === undefined ? text : `${source} → ${resolved}`
}

/** What operators have said; of a spec that this version cannot read, nothing. */
function controlLines(object: JsonObject, now: Date): readonly (readonly [string, string | undefined])[] {
  const parsed = deliverySpecSchema.safeParse(object.spec)
  if (!parsed.success) return []
  const { sync, hold, suspend, windows } = parsed.data
  const { status } = parseHeader(object)
  const ending = ({ until, reason }: { until?: string | undefined; reason?: string | undefined }) =>
    `${until === undefined ? 'until it is ended' : `until ${until}`}${reason === undefined ? '' : `: ${reason}`}`
  return [
    ['Suspended', suspend && ending(suspend)],
    ['Held at', hold && `${hold.digest} ${ending(hold)}`],
    ['Sync', sync === 'automatic' ? undefined : sync],
    [
      'Plan',
      status.plan && `${status.plan.plan} of ${status.plan.digest}, ${counted(status.plan.changes.total, 'change')}`,
    ],
    ['Windows', windows && windowLine(windows, now)],
  ]
}

function windowLine(windows: readonly ReleaseWindow[], now: Date): string {
  const { open, changesAtMs } = windowStateAt(windows, now.getTime())
  const until = changesAtMs === undefined ? '' : ` until ${new Date(changesAtMs).toISOString().slice(0, 19)}Z`
  return `${open ? 'open' : 'closed'}${until}`
}

/** What a person can do; while it is tried again by itself, what the error code says. */
function toDo({ conditions = [] }: DeliveryStatus): string | undefined {
  const stalled = conditions.find(({ type, status }) => type === 'Stalled' && status === 'True')
  const ready = conditions.find(({ type }) => type === 'Ready')
  if (stalled !== undefined || ready?.status !== 'False') return stalled?.message
  return isErrorCode(ready.reason) ? ERRORS[ready.reason].hint : undefined
}

/** `3 objects in no Delivery`, and where they are named. */
function unmanagedLine({ unmanaged }: DeliveryStatus, { namespace, name }: { namespace: string; name: string }) {
  if (unmanaged === undefined || unmanaged.objects === 0) return undefined
  return `${counted(unmanaged.objects, 'object')} in no Delivery: kubectl get wd ${name} -n ${namespace} -o jsonpath={.status.unmanaged}`
}

/** What runs here, since when, is it well, and what a person can do: one Delivery with all that its status says. */
export function deliveryText(object: JsonObject, now: Date): string {
  const { status, generation } = parseHeader(object)
  const control = controlLines(object, now)
  const [row] = deliveryRows([object])
  const seen = status.observedGeneration === generation
  const ready = seen ? `${row?.ready} (${row?.reason ?? '-'})` : 'Unknown (the newest edit was not seen yet)'
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['Delivery', `${row?.namespace}/${row?.name}`],
    ['Follows', row === undefined ? undefined : followed(row, row.source)],
    ['Ready', `${ready}${row?.message === undefined ? '' : `: ${row.message}`}`],
    ['To do', toDo(status)],
    ['Runs', status.applied?.digest],
    ['Version', status.applied?.version],
    ['Revision', status.applied?.revision],
    ['Since', status.applied?.at],
    ['Resolved', status.resolved?.digest],
    ['Next look', status.schedule?.nextAt],
    ...control,
    [
      'Drift',
      status.drift === undefined ? undefined : `${counted(status.drift.objects, 'object')}, seen ${status.drift.at}`,
    ],
    ['Unmanaged', row && unmanagedLine(status, row)],
    ...(status.notified ?? []).map(
      ({ name, sequence, error }) =>
        ['Not told', error && `notification ${name}, since record ${sequence}: ${error}`] as const,
    ),
    ['Record', status.lastRecord && `${status.lastRecord.sequence} ${status.lastRecord.hash}`],
  ]
  return lines.flatMap(([key, value]) => (value === undefined ? [] : [`${`${key}:`.padEnd(10)} ${value}`])).join('\n')
}
