import { isJsonObject } from '../../contract/canonical-json.ts'
import { isDigest, parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { Cluster } from '../../puller/cluster/cluster-port.ts'
import { approve, planThatWaits, planToApprove, type WaitingPlan } from '../../puller/control/approve.ts'
import { afterApproval } from '../../puller/control/comes-next.ts'
import { parseDelivery, parseHeader } from '../../puller/observe.ts'
import { editDelivery, openCluster, readDeliveries } from '../cluster.ts'
import { EXIT } from '../exit.ts'
import { clusterFlags, examples, type Flags, namespaceFlag } from '../flags.ts'
import { changeLines } from '../plan-text.ts'
import type { Context, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<what>', 'the Delivery, or the digest that waits in the namespace')
      .argument('[digest]', 'the digest, after the Delivery’s name')
      .option('--plan <digest>', 'only this plan, as `waybill plan` showed it; else the one that is shown now')
    clusterFlags(namespaceFlag(command))
    examples(
      command,
      'waybill approve sha256:… -n shop --plan sha256:…         # as `waybill plan` shows it',
      'waybill approve shop sha256:… -n shop                    # shows the plan, and asks on a terminal',
    )
  },
  run: async ([what = '', second], flags, context) => {
    const plan = digestFlag(flags)
    const digest = second === undefined ? (isDigest(what) ? what : undefined) : parseDigest(second)
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const name = isDigest(what) ? await waitingFor(cluster, namespace, what) : what
    let shown: WaitingPlan | undefined
    let waits: readonly string[] = []
    const approved = await editDelivery(cluster, namespace, name, async (delivery) => {
      // Once it was looked at, it is that plan or none, however often the edit has to be made again.
      const waiting = planToApprove(delivery, digest, plan ?? shown?.plan)
      if (shown === undefined && plan === undefined && !(await isWanted(waiting, context))) return undefined
      shown = waiting
      waits = afterApproval(delivery, context.now.getTime())
      await approve(cluster, delivery, waiting)
      return waiting
    })
    if (approved === undefined)
      return { data: { namespace, name, approved: null }, text: 'It was not approved.', exit: EXIT.refused }
    const text = [
      ...changeLines(approved.changes),
      `${namespace}/${name}: plan ${approved.plan} of ${approved.digest} is approved.`,
      ...waits,
    ]
    return { data: { namespace, name, approved, waits }, text: text.join('\n') }
  },
}

function digestFlag(flags: Flags): string | undefined {
  const plan = flags.text('plan')
  return plan === undefined ? undefined : parseDigest(plan)
}

/** The one Delivery of the namespace that waits with this digest. @throws WaybillError APPROVAL_MISSING, USAGE for several */
async function waitingFor(cluster: Cluster, namespace: string, digest: string): Promise<string> {
  const names = (await readDeliveries(cluster, namespace))
    .filter(isJsonObject)
    .filter((object) => parseHeader(object).status.plan?.digest === digest)
    .map(parseDelivery)
    .filter((delivery) => planThatWaits(delivery) !== undefined)
    .map(({ name }) => name)
  const [name] = names
  if (name === undefined)
    throw new WaybillError('APPROVAL_MISSING', `no Delivery in ${namespace} waits for approval of ${digest}`)
  if (names.length === 1) return name
  throw new WaybillError('USAGE', `${names.length} Deliveries in ${namespace} wait for it: ${names.join(', ')}`, {
    hint: `Name the one: waybill approve ${name} ${digest} -n ${namespace}.`,
  })
}

/** On a terminal the plan is shown, and asked about; elsewhere whoever gave the digest has decided. */
async function isWanted({ digest, plan, changes }: WaitingPlan, { ask, progress }: Context): Promise<boolean> {
  if (ask === undefined) return true
  for (const line of [`plan ${plan} of ${digest}:`, ...changeLines(changes)]) progress(line)
  return ask('Approve it?')
}
