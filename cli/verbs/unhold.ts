import { unhold } from '../../puller/records/hold.ts'
import { editDelivery, openCluster } from '../cluster.ts'
import { clusterFlags, examples, namespaceFlag } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command.argument('<name>', 'the Delivery')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill unhold shop -n shop')
  },
  run: async ([name = ''], flags, context) => {
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const { lifted } = await editDelivery(cluster, namespace, name, (delivery) => unhold(cluster, delivery))
    return {
      data: { namespace, name, lifted },
      text: `${namespace}/${name} is no longer held at ${lifted}; it follows its source again.`,
    }
  },
}
