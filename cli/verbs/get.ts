import type { JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type ReleaseWindow, windowStateAt } from '../../puller/control/windows.ts'
import { deliverySpecSchema } from '../../puller/kinds.ts'
import { parseHeader } from '../../puller/observe.ts'
import { type DeliveryRow, deliveryRows } from '../../puller/records/history.ts'
import { openCluster, readDeliveries, readDelivery } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import { ago, counted, shorten, table } from '../output.ts'
import type { Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('[name]', 'one Delivery, in full').option('-A, --all-namespaces', 'those of every namespace')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill get -n shop', 'waybill get -A', 'waybill get shop -n shop --output json')
  },
  run: async ([name], flags, context) => {
    if (name !== undefined && flags.on('allNamespaces'))
      throw new WaybillError('USAGE', `${name} goes with one namespace, not with --all-namespaces`, {
        hint: `waybill get ${name} -n NAMESPACE, or waybill get -A.`,
      })
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    if (name !== undefined) return oneOf(await readDelivery(cluster, namespace, name), context.now)
    const rows = deliveryRows(await readDeliveries(cluster, flags.on('allNamespaces') ? undefined : namespace))
    const head = ['NAMESPACE', 'NAME', 'SOURCE', 'READY', 'VERSION', 'DIGEST', 'SINCE', 'CONTROL', 'REASON']
    const lines = rows.map((row) => [
      row.namespace,
      row.name,
      followed(row),
      row.ready,
      row.version ?? '-',
      shorten(row.applied),
      ago(row.appliedAt, context.now),
      row.control.join(',') || '-',
      row.reason ?? '-',
    ])
    return { data: { deliveries: rows }, text: rows.length === 0 ? 'No Deliveries here.' : table(head, lines) }
  },
}

/** `production`, `version >=1.4 <2 → 1.5.2`, a digest. */
function followed({ source, resolved }: DeliveryRow, text = shorten(source)): string {
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

/** What runs here, since when, is it well: one Delivery with all that its status says. */
function oneOf(object: JsonObject, now: Date): Outcome {
  const { status, generation } = parseHeader(object)
  const control = controlLines(object, now)
  const [row] = deliveryRows([object])
  const seen = status.observedGeneration === generation
  const ready = seen ? `${row?.ready} (${row?.reason ?? '-'})` : 'Unknown (the newest edit was not seen yet)'
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['Delivery', `${row?.namespace}/${row?.name}`],
    ['Follows', row === undefined ? undefined : followed(row, row.source)],
    ['Ready', `${ready}${row?.message === undefined ? '' : `: ${row.message}`}`],
    ['To do', status.conditions?.find(({ type, status }) => type === 'Stalled' && status === 'True')?.message],
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
    ['Record', status.lastRecord && `${status.lastRecord.sequence} ${status.lastRecord.hash}`],
  ]
  const text = lines.flatMap(([key, value]) => (value === undefined ? [] : [`${`${key}:`.padEnd(10)} ${value}`]))
  return { data: { ...row, observed: seen, status }, text: text.join('\n') }
}
