import type { Digest } from '../../contract/digest.ts'
import type { RecordKind, RecordSpec } from '../kinds.ts'
import { isLower } from '../source/version-range.ts'
import { readCheckpoint } from './checkpoint.ts'

/** What a list of believed records, in order of sequence, says. */
export type RecordsSummary = {
  /**
   * An Intent whose outcome is not recorded: the puller stopped in the middle of it. Closed by an Applied, Unchanged or
   * RolledBack after it, or by any record whose `intent` names it.
   */
  readonly openIntent?: RecordSpec
  /** The newest record that is neither an Intent nor a Checkpoint, nor one of those that stand beside releases. */
  readonly lastOutcome?: RecordSpec
  /** The newest Applied, Unchanged or RolledBack. */
  readonly applied?: RecordSpec
  /** Since when it runs, another spec or name for it in between or not; as far back as the records go. RFC 3339. */
  readonly appliedSince?: string
  /** What was last written: the digest of the newest Intent, Applied, Unchanged or RolledBack. */
  readonly current?: Digest
  /** Digests that were written here, or were about to be. */
  readonly ran: ReadonlySet<Digest>
  /** By channel, the highest promotion that was recorded, and the digest that had it first. */
  readonly promotions: ReadonlyMap<string, { readonly sequence: number; readonly digest: Digest }>
  /** The highest release that a range chose, since the source last asked for something else than this range of this package. */
  readonly release?: SeenRelease
  /** By version, the digest that it was first seen at. */
  readonly versions: ReadonlyMap<string, Digest>
}

/** `canonical`: the package, by its canonical repository. */
export type SeenRelease = {
  readonly version: string
  readonly range: string
  readonly digest: Digest
  readonly canonical: string
}

const APPLIED: ReadonlySet<RecordKind> = new Set(['Applied', 'Unchanged', 'RolledBack'])

/** True for the outcomes that say: this digest is what runs, and it is well. */
export function isApplied(record: Pick<RecordSpec, 'kind'>): boolean {
  return APPLIED.has(record.kind)
}

/** True for the last word on a Delivery: what became of what it delivered is on record. Unmanaged objects are removed while it lives. */
export function isDeparture(record: Pick<RecordSpec, 'kind' | 'trigger'> | undefined): boolean {
  return record?.kind === 'Removed' && record.trigger.type === 'deletion'
}

const BESIDE: ReadonlySet<RecordKind> = new Set([
  'AwaitingApproval',
  'Approved',
  'Suspended',
  'Resumed',
  'DriftDetected',
  'DriftResolved',
])

/** Tells of something beside the way of a release: neither chooses one nor ends one. */
export function isBeside(kind: RecordKind): boolean {
  return BESIDE.has(kind)
}

/** Pure. `records` in order of sequence, all of one Delivery, all believed. */
export function summarize(records: readonly RecordSpec[]): RecordsSummary {
  const ran = new Set<Digest>()
  const promotions = new Map<string, { sequence: number; digest: Digest }>()
  const versions = new Map<string, Digest>()
  let openIntent: RecordSpec | undefined
  let lastOutcome: RecordSpec | undefined
  let applied: RecordSpec | undefined
  let appliedSince: string | undefined
  let current: Digest | undefined
  let release: SeenRelease | undefined

  const promoted = (channel: string, sequence: number, digest: Digest) => {
    if (sequence > (promotions.get(channel)?.sequence ?? 0)) promotions.set(channel, { sequence, digest })
  }
  // What a Checkpoint remembers is older than every record that is still there, wherever it stands.
  for (const record of records) {
    const kept = readCheckpoint(record)
    for (const one of kept?.ran ?? []) ran.add(one)
    for (const one of kept?.promotions ?? []) promoted(one.channel, one.sequence, one.digest)
    for (const one of kept?.versions ?? []) if (!versions.has(one.version)) versions.set(one.version, one.digest)
    applied = kept?.applied ?? applied
    current = kept?.current ?? current
    // A source that was edited since ends what an earlier Checkpoint remembers.
    if (kept !== undefined) release = kept.release
  }
  if (applied !== undefined) appliedSince = endOf(applied)
  for (const record of records) {
    if (record.kind === 'Checkpoint') continue
    const { digest } = record
    release = releaseAfter(release, record)
    if (record.kind === 'Intent') openIntent = record
    else if (isApplied(record) || record.intent === openIntent?.sequence) openIntent = undefined
    if (record.kind !== 'Intent' && !isBeside(record.kind)) lastOutcome = record
    if (record.kind === 'Intent' && digest !== applied?.digest) appliedSince = undefined
    if (isApplied(record)) {
      if (appliedSince === undefined || !isSameRelease(applied, record)) appliedSince = endOf(record)
      applied = record
    }
    if (digest === undefined) continue
    if (record.kind === 'Intent' || isApplied(record)) {
      current = digest
      ran.add(digest)
    }
    if (record.promotion !== undefined) promoted(record.promotion.channel, record.promotion.sequence, digest)
    if (record.version !== undefined && wasVerified(record) && !versions.has(record.version))
      versions.set(record.version, digest)
  }
  return {
    ...(openIntent === undefined ? {} : { openIntent }),
    ...(lastOutcome === undefined ? {} : { lastOutcome }),
    ...(applied === undefined ? {} : { applied }),
    ...(appliedSince === undefined ? {} : { appliedSince }),
    ...(current === undefined ? {} : { current }),
    ...(release === undefined ? {} : { release }),
    ran,
    promotions,
    versions,
  }
}

function isSameRelease(before: RecordSpec | undefined, { digest, environment }: RecordSpec): boolean {
  return before?.digest === digest && before?.environment === environment
}

function endOf({ finishedAt, startedAt }: RecordSpec): string {
  return finishedAt ?? startedAt
}

/** Drift is put back on what was chosen before, which says nothing of what is asked for now. */
function releaseAfter(before: SeenRelease | undefined, record: RecordSpec): SeenRelease | undefined {
  const { release, digest, source, trigger, promotion } = record
  if (trigger.type === 'drift') return before
  if (release !== undefined && digest !== undefined && source !== undefined) {
    const next = { ...release, digest, canonical: source.mirrorOf ?? source.repository }
    const isSame = before?.range === next.range && before.canonical === next.canonical
    return isSame && !isLower(before.version, next.version) ? before : next
  }
  const isOther =
    promotion !== undefined || (trigger.type === 'spec' && (record.kind === 'Intent' || isApplied(record)))
  return isOther ? undefined : before
}

/** What an artifact that was refused unverified calls itself is no version that was seen. */
function wasVerified(record: RecordSpec): boolean {
  if (record.error?.code === 'VERSION_MOVED') return false
  return (record.kind !== 'Refused' && record.kind !== 'Failed') || (record.signers?.length ?? 0) > 0
}
