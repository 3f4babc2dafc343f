import { WaybillError } from '../../contract/errors.ts'
import { systemClock, timestamp } from '../../puller/clock.ts'
import type { Cluster } from '../../puller/cluster/cluster-port.ts'
import { exportRecords, unsavedLines } from '../../puller/records/export.ts'
import { type Target, targetName } from '../../puller/uninstall/parts.ts'
import { isNothing, pullerNamespace, type Survey, survey } from '../../puller/uninstall/survey.ts'
import { uninstall, verifyRemoved } from '../../puller/uninstall/uninstall.ts'
import { openCluster } from '../cluster.ts'
import { isFolder, readLines, tryNewFile, writeNewLines } from '../disk.ts'
import { EXIT } from '../exit.ts'
import { clusterFlags, examples, type Flags, kubeName } from '../flags.ts'
import { counted } from '../output.ts'
import type { Context, Verb } from '../verb.ts'

const FILE = 'waybill-records.jsonl'

export const verb: Verb = {
  define: (command) => {
    command
      .option('--yes', 'do it; else it is only said what would be done')
      .option('--records-to <path>', 'save the records in this new file, or folder, first')
      .option('--forget-records', 'do not save them')
      .option('--puller-namespace <name>', 'the puller’s own namespace (default: as its rights say)', kubeName)
    clusterFlags(command)
    examples(
      command,
      'waybill uninstall                                     # what would be done',
      'waybill uninstall --yes --records-to records.jsonl    # `waybill audit shop --records records.jsonl` reads it',
    )
  },
  run: async (_args, flags, context) => {
    if (flags.on('forgetRecords') && flags.text('recordsTo') !== undefined)
      throw new WaybillError('USAGE', 'one of --records-to and --forget-records, not both')
    await using opened = await openCluster(flags, context, { anyCluster: true })
    const { cluster } = opened
    const namespace = await pullerNamespace(cluster, flags.text('pullerNamespace'))
    const found = await survey(cluster, namespace)
    if (isNothing(found))
      return { data: outcomeOf(found, { removed: [] }), text: 'Nothing of Waybill is in this cluster.' }
    const says = planText(found)
    if (!(await isWanted(says, flags, context)))
      return { data: outcomeOf(found, { removed: null }), text: [...says, NOTHING_DONE].join('\n'), exit: EXIT.refused }
    const to = await recordsFile(flags, context)
    if (found.records > 0 && to === undefined && !flags.on('forgetRecords'))
      throw new WaybillError(
        'RECORDS_UNSAVED',
        `${counted(found.records, 'record')} would be gone; nothing was removed`,
      )
    const saves = to !== undefined && found.records > 0
    if (saves) await tryRecordsFile(cluster, namespace, to, context)
    const stays = await uninstall(found, {
      cluster,
      clock: systemClock,
      progress: context.progress,
      saveRecords: async () => {
        if (saves) await saveRecords(cluster, namespace, to, context)
      },
    })
    await verifyRemoved(cluster, namespace)
    const removed = removedOf(found, stays)
    const text = [
      'Waybill is removed. What it delivered is as it was.',
      ...(stays === undefined ? [] : [staysText(namespace, stays)]),
      ...(saves ? [`The records are in ${to}.`] : []),
    ]
    return {
      data: outcomeOf({ ...found, ...(stays === undefined ? {} : { stays }) }, { removed, ...(to && { records: to }) }),
      text: text.join('\n'),
    }
  },
}

const NOTHING_DONE =
  'Nothing was removed: `waybill uninstall --yes` does it, with --records-to FILE or --forget-records.'

async function isWanted(says: readonly string[], flags: Flags, { ask, progress }: Context): Promise<boolean> {
  if (flags.on('yes')) return true
  if (ask === undefined) return false
  for (const line of says) progress(line)
  return ask('Remove it?')
}

async function recordsFile(flags: Flags, { cwd }: Context): Promise<string | undefined> {
  const path = flags.text('recordsTo')
  if (path === undefined) return undefined
  return (await isFolder(cwd, path)) ? `${path.replace(/\/+$/, '')}/${FILE}` : path
}

/** Before anything is removed: the file can be made, or a run before this one saved all that is there. */
async function tryRecordsFile(cluster: Cluster, namespace: string, path: string, { cwd }: Context): Promise<void> {
  const before = await readLines(cwd, path)
  if (before === undefined) return tryNewFile(cwd, path)
  const unsaved = unsavedLines(before, await exportRecords(cluster, namespace, ''))
  if (unsaved.length > 0) throw lacking('FILE_EXISTS', path, unsaved)
}

function lacking(code: 'FILE_EXISTS' | 'DISK_FAILED', path: string, unsaved: readonly string[]): WaybillError {
  return new WaybillError(code, `${path} lacks ${counted(unsaved.length, 'record')}, of which none was removed`)
}

/** What a run before this one saved is not written over: some of it may be gone since. */
async function saveRecords(
  cluster: Cluster,
  namespace: string,
  path: string,
  { cwd, progress }: Context,
): Promise<void> {
  const lines = await exportRecords(cluster, namespace, timestamp(systemClock))
  const before = await readLines(cwd, path)
  if (before === undefined) await writeNewLines(cwd, path, lines)
  const unsaved = unsavedLines((await readLines(cwd, path)) ?? [], lines)
  if (unsaved.length > 0) throw lacking(before === undefined ? 'DISK_FAILED' : 'FILE_EXISTS', path, unsaved)
  progress(before === undefined ? `the records are in ${path}` : `the records are in ${path} already`)
}

function planText(found: Survey): string[] {
  const { namespace, targets, deliveries, policies, records, stays } = found
  const all = Object.values(targets).flat()
  return [
    'This removes Waybill, and leaves all that it delivered as it is:',
    ...all.map((target) => `  ${targetName(target)}`),
    `with ${[
      `${deliveries.length} ${deliveries.length === 1 ? 'Delivery' : 'Deliveries'}`,
      `${policies} ${policies === 1 ? 'TrustPolicy' : 'TrustPolicies'}`,
      counted(records, 'record'),
    ].join(', ')}.`,
    ...(stays === undefined ? [] : [staysText(namespace, stays)]),
  ]
}

const HELD_SHOWN = 10

function staysText(namespace: string, { why, objects }: NonNullable<Survey['stays']>): string {
  if (why === 'not-ours') return `Namespace ${namespace} stays: \`waybill install\` did not make it.`
  const more = objects.length > HELD_SHOWN ? `, and ${objects.length - HELD_SHOWN} more` : ''
  return `Namespace ${namespace} stays: it holds ${objects.slice(0, HELD_SHOWN).join(', ')}${more}.`
}

function removedOf({ targets }: Survey, stays: Survey['stays']): readonly Target[] {
  const { namespace, ...others } = targets
  return [...Object.values(others).flat(), ...(stays === undefined ? namespace : [])]
}

function outcomeOf(
  { namespace, deliveries, records, stays }: Survey,
  done: { readonly removed: readonly Target[] | null; readonly records?: string },
): object {
  return {
    namespace,
    removed: done.removed === null ? null : done.removed.map(targetName),
    deliveries: deliveries.map(({ namespace, name }) => `${namespace}/${name}`),
    records: { count: records, ...(done.records === undefined ? {} : { file: done.records }) },
    ...(stays === undefined ? {} : { namespaceStays: stays }),
  }
}
