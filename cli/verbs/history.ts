import { parseHeader } from '../../puller/observe.ts'
import { historyRows } from '../../puller/records/history.ts'
import { listRecords } from '../../puller/records/record.ts'
import { openCluster, readDelivery } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag, positive } from '../flags.ts'
import { shorten, table } from '../output.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery').option('--limit <n>', 'only the newest n', positive)
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill history shop -n shop', 'waybill history shop -n shop --limit 5 --output json')
  },
  run: async ([name = ''], flags, context) => {
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const object = await readDelivery(cluster, namespace, name)
    const rows = historyRows(await listRecords(cluster, parseHeader(object))).slice(0, flags.number('limit'))
    const lines = rows.map((row) => [
      String(row.sequence),
      row.finishedAt ?? row.startedAt,
      row.kind,
      row.version ?? '-',
      shorten(row.digest),
      row.by === undefined ? row.trigger : `${row.trigger} by ${row.by}`,
      row.changes === undefined ? '-' : String(row.changes),
      row.error ?? row.drift ?? row.reason ?? '',
    ])
    const head = ['#', 'WHEN', 'WHAT', 'VERSION', 'DIGEST', 'TRIGGER', 'CHANGES', 'WHY']
    return { data: { records: rows }, text: rows.length === 0 ? 'No records yet.' : table(head, lines) }
  },
}
