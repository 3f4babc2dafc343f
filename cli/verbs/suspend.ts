import { suspend } from '../../puller/control/suspend.ts'
import { editDelivery, openCluster } from '../cluster.ts'
import { endFlags, endOf } from '../end-time.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery').option('--reason <text>', 'why; it is recorded')
    clusterFlags(namespaceFlag(endFlags(command)))
    examples(
      command,
      'waybill suspend shop -n shop --for 2h --reason "the database moves"',
      'waybill suspend shop -n shop --until 2026-11-21T18:00:00Z',
    )
  },
  run: async ([name = ''], flags, context) => {
    const until = endOf(flags, context.now)
    const reason = flags.text('reason')
    const suspended = {
      ...(until === undefined ? {} : { until }),
      ...(reason === undefined ? {} : { reason }),
    }
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    await editDelivery(cluster, namespace, name, (delivery) => suspend(cluster, delivery, suspended))
    const end = until === undefined ? '' : ` until ${until}`
    return {
      data: { namespace, name, suspended },
      text: `${namespace}/${name} is left alone${end}, drift included. \`waybill resume ${name} -n ${namespace}\` ends that.`,
    }
  },
}
