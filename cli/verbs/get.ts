import type { JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { parseHeader } from '../../puller/observe.ts'
import { deliveryRows } from '../../puller/records/history.ts'
import { openCluster, readDeliveries, readDelivery } from '../cluster.ts'
import { deliveryText, followed } from '../delivery-text.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import { ago, shorten, table } from '../output.ts'
import { warningOfSilence } from '../puller-at-work.ts'
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
    const warning = await warningOfSilence(cluster, context.now)
    if (warning !== undefined) context.progress(warning)
    if (name !== undefined) return oneOf(await readDelivery(cluster, namespace, name), context.now)
    const rows = deliveryRows(await readDeliveries(cluster, flags.on('allNamespaces') ? undefined : namespace))
    const head = ['NAMESPACE', 'NAME', 'SOURCE', 'READY', 'VERSION', 'DIGEST', 'SINCE', 'DRIFT', 'CONTROL', 'REASON']
    const lines = rows.map((row) => [
      row.namespace,
      row.name,
      followed(row),
      row.ready,
      row.version ?? '-',
      shorten(row.applied),
      ago(row.appliedAt, context.now),
      row.drifted === undefined ? '-' : String(row.drifted),
      row.control.join(',') || '-',
      row.reason ?? '-',
    ])
    return { data: { deliveries: rows }, text: rows.length === 0 ? 'No Deliveries here.' : table(head, lines) }
  },
}

function oneOf(object: JsonObject, now: Date): Outcome {
  const { status, generation } = parseHeader(object)
  const [row] = deliveryRows([object])
  const data = { ...row, observed: status.observedGeneration === generation, status }
  return { data, text: deliveryText(object, now) }
}
