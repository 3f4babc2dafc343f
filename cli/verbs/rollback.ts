import { parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Delivery } from '../../puller/kinds.ts'
import { type RollbackTarget, rollback } from '../../puller/records/hold.ts'
import { editDelivery, openCluster } from '../cluster.ts'
import { endFlags, endOf } from '../end-time.ts'
import { clusterFlags, examples, type Flags, namespaceFlag, positive } from '../flags.ts'
import type { Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<name>', 'the Delivery')
      .option('--to <digest>', 'a digest that the history shows as applied')
      .option('--steps <n>', 'so many different releases back', positive)
      .option('--reason <text>', 'why; it is recorded')
    clusterFlags(namespaceFlag(endFlags(command)))
    examples(
      command,
      'waybill rollback shop -n shop --steps 1 --reason "checkout fails"',
      'waybill rollback shop -n shop --to sha256:… --for 48h',
    )
  },
  run: async ([name = ''], flags, context) => {
    const target = targetOf(flags)
    const until = endOf(flags, context.now)
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const reason = flags.text('reason')
    let waits = ''
    const held = await editDelivery(cluster, namespace, name, (delivery) => {
      waits = waitsFor(delivery)
      return rollback(cluster, delivery, target, {
        ...(reason === undefined ? {} : { reason }),
        ...(until === undefined ? {} : { until }),
      })
    })
    const end = until === undefined ? '' : ` until ${until}`
    const version = held.version === undefined ? '' : ` (${held.version})`
    return {
      data: { namespace, name, held, ...(until === undefined ? {} : { until }) },
      text: `${namespace}/${name} is held at ${held.digest}${version}${end}. \`waybill unhold ${name} -n ${namespace}\` lifts it.${waits}`,
    }
  },
}

/** What keeps even a hold from being carried out. */
function waitsFor({ spec }: Pick<Delivery, 'spec'>): string {
  if (spec.suspend !== undefined) return ' It is suspended, and goes there when it is resumed.'
  return spec.sync === 'observe' ? ' Its sync is observe: nothing is written.' : ''
}

function targetOf(flags: Flags): RollbackTarget {
  const to = flags.text('to')
  const steps = flags.number('steps')
  if (to !== undefined && steps === undefined) return { to: parseDigest(to) }
  if (to === undefined && steps !== undefined) return { steps }
  throw new WaybillError('USAGE', 'exactly one of --to and --steps is needed')
}
