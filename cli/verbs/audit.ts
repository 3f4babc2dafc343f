import { parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { parseHeader } from '../../puller/observe.ts'
import { type AuditReport, auditChain } from '../../puller/records/audit.ts'
import { readHead } from '../../puller/records/heads.ts'
import { readPublicPem } from '../../puller/records/keys.ts'
import { listRecords } from '../../puller/records/record.ts'
import { openCluster, readDelivery } from '../cluster.ts'
import { readText } from '../disk.ts'
import { clusterFlags, examples, type Flags, kubeName, namespaceFlag } from '../flags.ts'
import { counted } from '../output.ts'
import type { Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('<name>', 'the Delivery')
      .option('--key <pem>', 'the public half of the puller’s key, kept elsewhere (default: the one in the cluster)')
      .option('--head <sequence:digest>', 'a head that you kept, as an earlier audit printed it: 12:sha256:…')
      .option('--puller-namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
    clusterFlags(namespaceFlag(command))
    examples(command, 'waybill audit shop -n shop', 'waybill audit shop -n shop --key puller.pub --head 12:sha256:…')
  },
  run: async ([name = ''], flags, context) => {
    const given = givenHead(flags)
    const file = flags.text('key')
    const ownPem = file === undefined ? undefined : await readText(context.cwd, file)
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const pullerNamespace = flags.need('pullerNamespace')
    const delivery = parseHeader(await readDelivery(cluster, namespace, name))
    const pem = ownPem ?? (await readPublicPem(cluster, pullerNamespace))
    if (pem === undefined)
      throw new WaybillError('RECORD_KEY', `namespace ${pullerNamespace} holds no public key of a puller`)
    const kept = await readHead(cluster, pullerNamespace, delivery.uid)
    const status = delivery.status.lastRecord
    const report = auditChain(
      await listRecords(cluster, delivery),
      {
        configMap: kept.head,
        ...(status === undefined ? {} : { status: { sequence: status.sequence, hash: parseDigest(status.hash) } }),
        ...(given === undefined ? {} : { given }),
      },
      pem,
      delivery,
    )
    return outcomeOf(`${namespace}/${name}`, report, ownPem === undefined)
  },
}

function givenHead(flags: Flags) {
  const text = flags.text('head')
  if (text === undefined) return undefined
  const match = /^([1-9][0-9]{0,7}):(sha256:.*)$/.exec(text)
  if (match === null) throw new WaybillError('USAGE', '--head is a sequence and a digest, as in 12:sha256:…')
  return { sequence: Number(match[1]), hash: parseDigest(match[2] ?? '') }
}

function outcomeOf(what: string, report: AuditReport, keyFromCluster: boolean): Outcome {
  const { ok, records, faults, head } = report
  const lines = [
    ...faults.map(
      ({ kind, sequence, message }) => `${kind}${sequence === undefined ? '' : ` #${sequence}`}: ${message}`,
    ),
    ...(head === undefined ? [] : [`head: ${head.sequence}:${head.hash}`]),
    ...(keyFromCluster ? ['The key came from the cluster itself; keep it elsewhere and give it with --key.'] : []),
  ]
  const verdict = ok
    ? `${what}: ${counted(records, 'record')}, whole and in order`
    : `${what}: ${counted(records, 'record')}`
  return {
    data: { ok, records, faults, head, keyFromCluster },
    text: [verdict, ...lines].join('\n'),
    ...(ok ? {} : { error: new WaybillError('RECORD_CHAIN_BROKEN', `${what}: ${counted(faults.length, 'fault')}`) }),
  }
}
