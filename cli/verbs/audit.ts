import { parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type AuditReport, auditChain } from '../../puller/records/audit.ts'
import { exportRecords, readExport, recordLines } from '../../puller/records/export.ts'
import { headIn, readHead } from '../../puller/records/heads.ts'
import { readPublicPem } from '../../puller/records/keys.ts'
import { listRecords } from '../../puller/records/record.ts'
import { openCluster } from '../cluster.ts'
import { readLines, readText, tryNewFile, writeNewLines } from '../disk.ts'
import { clusterFlags, examples, type Flags, kubeName, namespaceFlag } from '../flags.ts'
import { counted } from '../output.ts'
import { recordsOf } from '../records-of.ts'
import type { Context, Outcome, Verb } from '../verb.ts'

export const verb: Verb = {
  define: (command) => {
    command
      .argument('[name]', 'the Delivery, or one that is gone')
      .option('--uid <uid>', 'of a Delivery that is gone, by its uid (default: the newest of that name)')
      .option('--key <pem>', 'the public half of the puller’s key, kept elsewhere (default: the one in the cluster)')
      .option('--head <sequence:digest>', 'a head that you kept, as an earlier audit printed it: 12:sha256:…')
      .option(
        '--save <file>',
        'instead: write the records and heads of all Deliveries, and the public key, into this new file',
      )
      .option('--records <file>', 'records that were saved; no cluster is asked')
      .option('--puller-namespace <name>', 'the puller’s own namespace', kubeName, 'waybill-system')
    clusterFlags(namespaceFlag(command))
    examples(
      command,
      'waybill audit shop -n shop',
      'waybill audit shop -n shop --key puller.pub --head 12:sha256:…',
      'waybill audit --save records.jsonl',
      'waybill audit shop --records records.jsonl --key puller.pub',
    )
  },
  run: async ([name], flags, context) => {
    const to = flags.text('save')
    if (to !== undefined) return save(to, name, flags, context)
    if (name === undefined)
      throw new WaybillError('USAGE', 'a Delivery is needed', {
        hint: 'waybill audit NAME -n NAMESPACE, or --save FILE.',
      })
    const given = givenHead(flags)
    const file = flags.text('key')
    const ownPem = file === undefined ? undefined : await readText(context.cwd, file)
    const saved = flags.text('records')
    if (saved !== undefined) return auditSaved(saved, name, { given, ownPem, flags, context })
    await using opened = await openCluster(flags, context)
    const { cluster, namespace } = opened
    const pullerNamespace = flags.need('pullerNamespace')
    const { delivery, status } = await recordsOf(cluster, { namespace, name, uid: flags.text('uid') })
    const pem = ownPem ?? (await readPublicPem(cluster, pullerNamespace))
    if (pem === undefined)
      throw new WaybillError('RECORD_KEY', `namespace ${pullerNamespace} holds no public key of a puller`)
    const kept = await readHead(cluster, pullerNamespace, delivery.uid)
    const last = status?.lastRecord
    // The puller lets go of the heads of Deliveries that are gone.
    const isLetGo = status === undefined && kept.head === null && !kept.unreadable
    const report = auditChain(
      await listRecords(cluster, delivery),
      {
        ...(isLetGo ? {} : { configMap: kept.head }),
        ...(last === undefined ? {} : { status: { sequence: last.sequence, hash: parseDigest(last.hash) } }),
        ...(given === undefined ? {} : { given }),
      },
      pem,
      delivery,
    )
    const what =
      status === undefined ? `${namespace}/${name}, which is gone (uid ${delivery.uid})` : `${namespace}/${name}`
    return outcomeOf(what, report, { keyFrom: ownPem === undefined ? 'cluster' : 'auditor', isLetGo })
  },
}

/** Everything that an audit needs, for a place outside of the cluster. */
async function save(path: string, name: string | undefined, flags: Flags, context: Context): Promise<Outcome> {
  const only = ['uid', 'key', 'head', 'records', 'namespace'].find((flag) => flags.text(flag) !== undefined)
  if (name !== undefined || only !== undefined)
    throw new WaybillError('USAGE', '--save takes the records of all Deliveries, and goes with nothing that names one')
  await tryNewFile(context.cwd, path)
  await using opened = await openCluster(flags, context)
  const lines = await exportRecords(opened.cluster, flags.need('pullerNamespace'), context.now.toISOString())
  await writeNewLines(context.cwd, path, lines)
  const records = recordLines(lines).length
  return { data: { file: path, records }, text: `${path}: ${counted(records, 'record')}` }
}

/** Of records that were saved before the cluster let go of them. */
async function auditSaved(
  path: string,
  name: string,
  {
    given,
    ownPem,
    flags,
    context,
  }: {
    readonly given: ReturnType<typeof givenHead>
    readonly ownPem: string | undefined
    readonly flags: Flags
    readonly context: Context
  },
): Promise<Outcome> {
  const lines = await readLines(context.cwd, path)
  if (lines === undefined) throw new WaybillError('FILE_UNREADABLE', `${path}: there is no such file`)
  const [namespace, uid] = [flags.text('namespace'), flags.text('uid')]
  const found = readExport(lines, {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
  })
  const { delivery, lastRecord: last, records, heads } = found
  const pem = ownPem ?? found.key
  if (pem === undefined)
    throw new WaybillError('RECORD_KEY', `${path} holds no public key of a puller; give it with --key`)
  const kept = headIn({ version: '', data: heads }, delivery.uid)
  const report = auditChain(
    records,
    {
      ...(kept.head === null ? {} : { configMap: kept.head }),
      ...(last === undefined ? {} : { status: { sequence: last.sequence, hash: last.hash } }),
      ...(given === undefined ? {} : { given }),
    },
    pem,
    delivery,
  )
  const what = `${delivery.namespace}/${delivery.name} in ${path} (uid ${delivery.uid})`
  return outcomeOf(what, report, { keyFrom: ownPem === undefined ? 'file' : 'auditor', isLetGo: kept.head === null })
}

function givenHead(flags: Flags) {
  const text = flags.text('head')
  if (text === undefined) return undefined
  const match = /^([1-9][0-9]{0,7}):(sha256:.*)$/.exec(text)
  if (match === null) throw new WaybillError('USAGE', '--head is a sequence and a digest, as in 12:sha256:…')
  return { sequence: Number(match[1]), hash: parseDigest(match[2] ?? '') }
}

const KEY_FROM = {
  cluster: 'The key came from the cluster itself; keep it elsewhere and give it with --key.',
  file: 'The key came from the file itself; give one that you kept elsewhere with --key.',
} as const

function outcomeOf(
  what: string,
  report: AuditReport,
  { keyFrom, isLetGo }: { readonly keyFrom: 'cluster' | 'file' | 'auditor'; readonly isLetGo: boolean },
): Outcome {
  const { ok, records, faults, head } = report
  const lines = [
    ...faults.map(
      ({ kind, sequence, message }) => `${kind}${sequence === undefined ? '' : ` #${sequence}`}: ${message}`,
    ),
    ...(head === undefined ? [] : [`head: ${head.sequence}:${head.hash}`]),
    ...(isLetGo
      ? ['No head is kept of it any more: only one that you kept (--head) tells whether its end is missing.']
      : []),
    ...(keyFrom === 'auditor' ? [] : [KEY_FROM[keyFrom]]),
  ]
  const verdict = ok
    ? `${what}: ${counted(records, 'record')}, whole and in order`
    : `${what}: ${counted(records, 'record')}`
  return {
    data: { ok, records, faults, head, keyFromCluster: keyFrom === 'cluster' },
    text: [verdict, ...lines].join('\n'),
    ...(ok ? {} : { error: new WaybillError('RECORD_CHAIN_BROKEN', `${what}: ${counted(faults.length, 'fault')}`) }),
  }
}
