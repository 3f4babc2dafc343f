import { tmpdir } from 'node:os'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { systemClock } from '../../puller/clock.ts'
import type { Cluster } from '../../puller/cluster/cluster-port.ts'
import type { WaitingPlan } from '../../puller/control/approve.ts'
import { type Preview, preview } from '../../puller/control/preview.ts'
import { parseHeader } from '../../puller/observe.ts'
import { confirmCommand } from '../../puller/plan/confirmation.ts'
import { openCache } from '../../puller/source/disk.ts'
import { createRegistries } from '../../puller/source/registries.ts'
import { openCluster, readDelivery } from '../cluster.ts'
import { makeTempFolder } from '../disk.ts'
import { clusterFlags, examples, type Flags, namespaceFlag } from '../flags.ts'
import { counted, shorten } from '../output.ts'
import { changeLines } from '../plan-text.ts'
import { proxyOf } from '../registry.ts'
import type { Context, Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<name>', 'the Delivery')
      .option('--now', 'make the plan here and now, also where the puller’s own is shown')
      .option('--plain-http', 'speak HTTP to the registry')
    clusterFlags(namespaceFlag(command))
    examples(
      command,
      'waybill plan shop -n shop                 # the plan that waits for approval, else what would change now',
      'waybill plan shop -n shop --now --output json',
    )
  },
  run: async ([name = ''], flags, context) => {
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const object = await readDelivery(cluster, namespace, name)
    const { status } = parseHeader(object)
    const about = { namespace, name }
    const isObserved = isJsonObject(object.spec) && object.spec.sync === 'observe'
    if (status.plan !== undefined && !flags.on('now')) return shownOutcome(about, status.plan, { isObserved })
    return previewOutcome(about, await previewHere(cluster, object, flags, context))
  },
}

async function previewHere(cluster: Cluster, object: JsonObject, flags: Flags, context: Context): Promise<Preview> {
  const registries = createRegistries({ plainHttp: flags.on('plainHttp'), proxy: proxyOf(context.env) }, systemClock)
  try {
    const folder = makeTempFolder(context.env.TMPDIR ?? tmpdir(), context.atEnd)
    const { now, signal } = context
    const place = { cache: openCache(folder), cacheBytesMax: Number.MAX_SAFE_INTEGER, registries }
    return await preview(cluster, object, { ...place, nowMs: now.getTime(), signal })
  } finally {
    await registries.close()
  }
}

type About = { readonly namespace: string; readonly name: string }

/** As the puller made it, and as it can be approved, where it is not only to be looked at. */
function shownOutcome(
  { namespace, name }: About,
  shown: WaitingPlan,
  { isObserved }: { readonly isObserved: boolean },
): Outcome {
  const { digest, plan, at, changes } = shown
  const text = [
    ...changeLines(changes),
    `${counted(changes.total, 'change')} to ${digest}, as the puller found at ${at}.`,
    isObserved
      ? 'Its sync is observe: nothing is written.'
      : `To have exactly this done: waybill approve ${name} ${digest} -n ${namespace} --plan ${plan}`,
  ]
  return { data: { namespace, name, madeBy: 'puller', ...shown }, text: text.join('\n') }
}

function previewOutcome({ namespace, name }: About, found: Preview): Outcome {
  const { digest, version, changes, refusals, failures, waits, confirm, ...rest } = found
  const total = changes.length
  const text = [
    ...changeLines({ total, listed: [...changes] }),
    ...failures.map(({ object, message }) => `?   ${object}: ${message}`),
    `${counted(total, 'change')} to ${version === undefined ? digest : `${version}, ${digest}`}, with your rights.`,
    ...waits.map((why) => `Not now: ${why}.`),
  ]
  const data = { namespace, name, madeBy: 'you', digest, version, ...rest, changes: { total, listed: changes }, waits }
  if (refusals.length === 0) return { data: { ...data, failures }, text: text.join('\n') }
  const error = new WaybillError('PLAN_REFUSED', `${shorten(digest)} would be refused, and nothing written`, {
    faults: refusals.map(({ object, code, message }) => ({ object, code, message })),
    ...(confirm === undefined
      ? {}
      : { hint: `To have exactly this done: \`${confirmCommand({ namespace, name }, confirm)}\`` }),
  })
  return { data: { ...data, failures, refusals, ...(confirm && { confirm }) }, text: text.join('\n'), error }
}
