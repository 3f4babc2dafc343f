import { canonicalJson } from '../../contract/canonical-json.ts'
import { shortDigest } from '../../contract/digest.ts'
import { durationMs, timestamp } from '../clock.ts'
import type { Change, RecordSpec } from '../kinds.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { Plan } from '../plan/plan.ts'
import { factsAbout } from '../reconcile/facts.ts'
import type { Job } from '../reconcile/job.ts'
import { isApplied } from '../records/ledger-summary.ts'
import { changeList, FIELDS_MAX } from '../records/record.ts'

/** Drift that was recorded as found and left, and not as ended: by object, with the record that told of it. Pure. */
export function openDrift(
  records: readonly RecordSpec[],
): ReadonlyMap<string, { readonly change: Change; readonly record: RecordSpec }> {
  const open = new Map<string, { change: Change; record: RecordSpec }>()
  for (const record of records)
    for (const change of record.changes?.listed ?? [])
      if (record.kind === 'DriftDetected') open.set(change.object, { change, record })
      else if (record.kind === 'DriftResolved') open.delete(change.object)
  return open
}

/** What to say of the drift that is there `now`: each once when it begins or takes other fields, and once when it ends. Pure. */
export function driftNews(
  records: readonly RecordSpec[],
  now: readonly Change[],
): {
  readonly began: readonly Change[]
  readonly ended: readonly Change[]
  readonly how: string
  readonly since?: string
} {
  const open = openDrift(records)
  const present = new Set(now.map(({ object }) => object))
  const ended = [...open.values()].filter(({ change }) => !present.has(change.object))
  const [first] = ended
  return {
    began: now.filter((change) => whatOf(open.get(change.object)?.change) !== whatOf(change)),
    ended: ended.map(({ change }) => change),
    how: howEnded(records, first?.record),
    ...(first === undefined ? {} : { since: first.record.startedAt }),
  }
}

function whatOf(change: Change | undefined): string {
  return change === undefined ? '' : canonicalJson([change.action, change.fields ?? [], change.breakGlass ?? ''])
}

function howEnded(records: readonly RecordSpec[], detected: RecordSpec | undefined): string {
  const after = records.filter(({ sequence }) => sequence > (detected?.sequence ?? 0))
  if (after.some(({ kind }) => kind === 'DriftCorrected')) return 'it was put back'
  const release = after.findLast(isApplied)
  if (release?.digest === undefined) return 'the cluster is as it was applied again'
  return `${release.version ?? shortDigest(release.digest)} was applied`
}

/** So many records tell of drift that is left, in an hour: what comes and goes more often is told of later, as it is then. */
const TOLD_MAX = 60
const TOLD_WITHIN_MS = durationMs('1h')

/** `driftNews`, or nothing for now: whoever may change an object has it drift as often as he likes, and the records do not grow with that. Pure. */
export function newsToTell(
  records: readonly RecordSpec[],
  now: readonly Change[],
  nowMs: number,
): ReturnType<typeof driftNews> | undefined {
  const told = records.filter(({ kind, startedAt, finishedAt }) => {
    const atMs = Date.parse(finishedAt ?? startedAt)
    return (kind === 'DriftDetected' || kind === 'DriftResolved') && atMs <= nowMs && atMs > nowMs - TOLD_WITHIN_MS
  })
  return told.length >= TOLD_MAX ? undefined : driftNews(records, now)
}

/**
 * Records what drift began and what ended since it was last said; `now`: what is left as it is found. `ends`: whether anything is said to have
 * ended, by default it is.
 */
export async function recordLeftDrift(
  job: Job,
  now: readonly Change[],
  { ends = true }: { readonly ends?: boolean } = {},
): Promise<void> {
  const { ledger, delivery, fetched, site } = job
  const news = newsToTell(ledger.summary.records, now, site.clock.nowMs())
  if (news === undefined) return
  const about = factsAbout(delivery, { verified: fetched.verified, fetched })
  const { began, ended, how, since } = news
  const at = timestamp(site.clock)
  const trigger = { type: 'drift', generation: delivery.generation } as const
  if (ends && ended.length > 0)
    await ledger.append({
      ...about,
      kind: 'DriftResolved',
      trigger: { ...trigger, reason: how },
      changes: changeList(ended),
      startedAt: since ?? at,
      finishedAt: at,
    })
  if (began.length > 0)
    await ledger.append({ ...about, kind: 'DriftDetected', trigger, changes: changeList(began), startedAt: at })
}

/** A puller that ends between two of them finds the object in a way that the Intent does not list. */
const IN_SEVERAL_WRITES: ReadonlySet<Change['action']> = new Set(['adopt', 'replace'])

/**
 * What drifted since an Intent was written, by what it lists: it is put back under that Intent, which does not tell of it. An object that was there
 * and is gone is not what a release lists as one to be created. What an Intent had no room for counts as listed. Pure.
 */
export function driftedSince(
  { changes, trigger }: Pick<RecordSpec, 'changes' | 'trigger'>,
  {
    drifted,
    desired,
  }: { readonly drifted: Plan['drifted']; readonly desired: readonly Pick<DesiredObject, 'name' | 'runsOnce'>[] },
): readonly Change[] {
  if (drifted.length === 0 || changes === undefined || changes.total > changes.listed.length) return []
  const listed = new Map(changes.listed.map((change) => [change.object, change]))
  const runs = new Set(desired.filter(({ runsOnce }) => runsOnce).map(({ name }) => name))
  return drifted.filter(({ object, action, fields = [] }) => {
    const told = listed.get(object)
    // A run for each release: the one before it had the same name.
    if (told !== undefined && (IN_SEVERAL_WRITES.has(told.action) || runs.has(object))) return false
    if (told?.action !== action || (action === 'create' && trigger.type !== 'drift')) return true
    const known = told.fields ?? []
    return known.length < FIELDS_MAX && !fields.every((field) => known.includes(field))
  })
}

/** The changes of a plan that puts drift back: what others did comes with its values, and with why they say they did. Pure. */
export function driftChanges({
  changes,
  undoing,
  broken,
}: Pick<Plan, 'changes' | 'undoing' | 'broken'>): readonly Change[] {
  const byObject = new Map([...undoing, ...broken].map((change) => [change.object, change]))
  return changes.map((change) => byObject.get(change.object) ?? change)
}
