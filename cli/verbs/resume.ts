import { resume } from '../../puller/control/suspend.ts'
import { editDelivery, openCluster } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery').option('--reason <text>', 'why; it is recorded')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill resume shop -n shop', 'waybill resume shop -n shop --reason "checkout is well again"')
  },
  run: async ([name = ''], flags, context) => {
    const reason = flags.text('reason')
    const why = { at: context.now, ...(reason === undefined ? {} : { reason }) }
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    await editDelivery(cluster, namespace, name, (delivery) => resume(cluster, delivery, why))
    return {
      data: { namespace, name, resumed: true },
      text: `${namespace}/${name} is no longer suspended: it is looked at again at once.`,
    }
  },
}
