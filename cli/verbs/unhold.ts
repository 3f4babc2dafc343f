import { unhold } from '../../puller/records/hold.ts'
import { editDelivery, openCluster } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery').option('--reason <text>', 'why; it is recorded')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill unhold shop -n shop', 'waybill unhold shop -n shop --reason "checkout is well again"')
  },
  run: async ([name = ''], flags, context) => {
    const reason = flags.text('reason')
    const why = { at: context.now, ...(reason === undefined ? {} : { reason }) }
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const { lifted } = await editDelivery(cluster, namespace, name, (delivery) => unhold(cluster, delivery, why))
    return {
      data: { namespace, name, lifted },
      text: `${namespace}/${name} is no longer held at ${lifted}; it follows its source again.`,
    }
  },
}
