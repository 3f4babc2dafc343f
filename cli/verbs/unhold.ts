import { afterUnhold } from '../../puller/control/comes-next.ts'
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
    const { lifted, waits } = await editDelivery(cluster, namespace, name, async (delivery) => ({
      ...(await unhold(cluster, delivery, why)),
      waits: afterUnhold(delivery, context.now.getTime()),
    }))
    const text = [`${namespace}/${name} is no longer held at ${lifted}; it follows its source again.`, ...waits]
    return { data: { namespace, name, lifted, waits }, text: text.join('\n') }
  },
}
