import { historyRows } from '../../puller/records/history.ts'
import { listRecords } from '../../puller/records/record.ts'
import { openCluster } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag, positive } from '../flags.ts'
import { shorten, table } from '../output.ts'
import { recordsOf } from '../records-of.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<name>', 'the Delivery, or one that is gone')
      .option('--limit <n>', 'only the newest n', positive)
      .option('--uid <uid>', 'of a Delivery that is gone, by its uid (default: the newest of that name)')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill history shop -n shop', 'waybill history shop -n shop --limit 5 --output json')
  },
  run: async ([name = ''], flags, context) => {
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const { delivery } = await recordsOf(cluster, { namespace, name, uid: flags.text('uid') })
    const rows = historyRows(await listRecords(cluster, delivery)).slice(0, flags.number('limit'))
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
