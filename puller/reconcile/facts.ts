import type { Digest } from '../../contract/digest.ts'
import { holding, isHold, liftOf } from '../control/control.ts'
import { type Delivery, FAILURE_MANAGER, type RecordFacts, type RecordKind, type RecordSpec } from '../kinds.ts'
import type { Said } from '../message.ts'
import type { LedgerSummary } from '../records/ledger.ts'
import { isBeside, summarize } from '../records/ledger-summary.ts'
import type { Fetched } from '../source/fetch.ts'
import { environmentOf, type Resolved } from '../source/resolve.ts'
import type { Seen, Verified, VerifyTarget } from '../source/verify.ts'

/** Everything here is pure: what the records lead to, and what is to be recorded. */

type Trigger = RecordFacts['trigger']
type Objects = NonNullable<RecordFacts['error']>['objects']

const APPLIED: ReadonlySet<RecordKind> = new Set(['Applied', 'Unchanged', 'RolledBack'])

/** What was recorded when a digest was last chosen. */
export function basisOf({ records }: Pick<LedgerSummary, 'records'>, digest: Digest): RecordSpec | undefined {
  return records.findLast((record) => record.digest === digest && CHOSEN.has(record.kind))
}

/** Records that say from where, and as which environment, a digest was chosen. A refusal or distrust speaks of what is asked for now. */
const CHOSEN: ReadonlySet<RecordKind> = new Set(['Intent', 'Applied', 'Unchanged', 'RolledBack'])

/** What this delivery has seen of the package; what it saw of another package, before its source was edited, does not count. */
export function seenOf(
  summary: LedgerSummary,
  { canonical, channel, range }: Pick<VerifyTarget, 'canonical' | 'channel' | 'range'>,
): Seen {
  const ours = (record: RecordSpec) => record.source === undefined || packageOf(record.source) === canonical
  const foreign = summary.records.filter((record) => !ours(record))
  const known = [...summary.versions].filter(
    ([version, digest]) => !foreign.some((record) => record.version === version && record.digest === digest),
  )
  // Another package may have had the version first: then it counts from where ours had it.
  const own = summarize(summary.records.filter((record) => record.kind !== 'Checkpoint' && ours(record)))
  const versions = Object.fromEntries([...own.versions, ...known])
  const last = channel === undefined ? undefined : summary.promotions.get(channel)
  const isForeign = foreign.some(
    ({ promotion }) => promotion?.channel === channel && promotion?.sequence === last?.sequence,
  )
  const promotion = isForeign ? highestPromotion(summary.records.filter(ours), channel) : last
  const { release } = summary
  const isSame = release !== undefined && release.canonical === canonical && release.range === range
  return { versions, ...(promotion === undefined ? {} : { promotion }), ...(isSame ? { release } : {}) }
}

function packageOf(source: NonNullable<RecordSpec['source']>): string {
  return source.mirrorOf ?? source.repository
}

function highestPromotion(records: readonly RecordSpec[], channel: string | undefined): Seen['promotion'] {
  let highest: Seen['promotion']
  for (const { promotion, digest } of records)
    if (promotion?.channel === channel && promotion !== undefined && digest !== undefined)
      if (promotion.sequence > (highest?.sequence ?? 0)) highest = { sequence: promotion.sequence, digest }
  return highest
}

/** `onFailure: rollback` set the hold. */
function isOfFailure({ specEditedBy }: Delivery): boolean {
  return specEditedBy?.manager === FAILURE_MANAGER
}

/** Why this is done now, from what the records say was done last. */
export function triggerOf(
  delivery: Delivery,
  summary: LedgerSummary,
  asked: { readonly via: Resolved['via'] | 'current'; readonly digest?: string; readonly reason?: string },
): Trigger {
  const { generation, spec, specEditedBy } = delivery
  const last = summary.lastOutcome
  const by = specEditedBy === undefined ? {} : { by: specEditedBy.manager }
  const why = (reason: string | undefined) => (reason === undefined ? {} : { reason: reason.slice(0, 1024) })
  if (asked.via === 'hold' && (last?.trigger.generation !== generation || asked.digest !== summary.current))
    return { type: isOfFailure(delivery) ? 'failure' : 'hold', generation, ...by, ...why(spec.hold?.reason) }
  if (last === undefined) return { type: 'spec', generation, ...by }
  const chosen = holding(summary.records)
  if (chosen?.kind === 'Resumed' && asked.via !== 'current')
    return { type: 'expiry', generation, ...why(chosen.trigger.reason) }
  if (last.trigger.generation !== generation && asked.via !== 'current')
    return isHold(chosen)
      ? { type: 'unhold', generation, ...liftOf(delivery, chosen.startedAt) }
      : { type: 'spec', generation, ...by }
  if (asked.digest !== undefined && asked.digest !== summary.current && asked.via !== 'current')
    return { type: 'source', generation, ...why(asked.reason) }
  if (last.kind === 'Failed' || last.kind === 'Refused') return { type: 'retry', generation }
  return { type: last.kind === 'TrustChanged' ? 'trust' : 'source', generation, ...why(asked.reason) }
}

/**
 * What a success is called: going back is to a digest that was applied before and is not the newest that ever ran here.
 * Digests count in the order in which they first came, so that the answer is the same before and after a restart.
 */
export function outcomeKind(
  summary: LedgerSummary,
  digest: string,
  intent: RecordSpec | undefined,
): 'Applied' | 'RolledBack' | 'DriftCorrected' {
  if (intent?.trigger.type === 'drift') return 'DriftCorrected'
  const ran = summary.records.filter(
    ({ kind, digest: of }) => of !== undefined && (kind === 'Intent' || APPLIED.has(kind)),
  )
  const inOrder = [...new Set(ran.map((record) => record.digest))]
  const appliedBefore = ran.some((record) => APPLIED.has(record.kind) && record.digest === digest)
  return appliedBefore && inOrder.at(-1) !== digest ? 'RolledBack' : 'Applied'
}

/** The Intent that is being carried out for this digest: open since a restart, or failed and to be tried again. */
export function intentToContinue(
  summary: LedgerSummary,
  wish: { readonly digest: string; readonly generation: number | undefined },
): RecordSpec | undefined {
  const fits = (intent: RecordSpec | undefined) =>
    intent !== undefined &&
    intent.digest === wish.digest &&
    (wish.generation === undefined || intent.trigger.generation === wish.generation)
  if (summary.openIntent !== undefined) return fits(summary.openIntent) ? summary.openIntent : undefined
  const last = summary.lastOutcome
  if (last?.kind !== 'Failed' || last.intent === undefined || last.error?.code === 'SUPERSEDED') return undefined
  const intent = summary.records.find(({ sequence }) => sequence === last.intent)
  return fits(intent) ? intent : undefined
}

/** True when the newest outcome that chose a digest already says that exactly this was done, for this generation of the spec. */
export function isSettled(
  summary: LedgerSummary,
  verified: Pick<Verified, 'digest' | 'promotion' | 'release'>,
  generation: number,
): boolean {
  const chosen = summary.records.findLast(({ kind, trigger }) => !isAside(kind, trigger.type))
  return (
    chosen !== undefined &&
    APPLIED.has(chosen.kind) &&
    chosen.digest === verified.digest &&
    chosen.trigger.generation === generation &&
    (verified.promotion === undefined || (chosen.promotion?.sequence ?? 0) >= verified.promotion.sequence) &&
    verified.release?.version === chosen.release?.version
  )
}

/** True when this digest is what was chosen last, and it was well: under another spec it goes on, which is no step back. */
export function goesOn({ records }: Pick<LedgerSummary, 'records'>, digest: string): boolean {
  const chosen = records.findLast(({ kind, trigger }) => !isAside(kind, trigger.type))
  return chosen !== undefined && APPLIED.has(chosen.kind) && chosen.digest === digest
}

/** Drift, put back or not, does not change what was chosen. */
function isAside(kind: RecordKind, trigger: Trigger['type']): boolean {
  return kind === 'Checkpoint' || isBeside(kind) || trigger === 'drift'
}

/** True where this environment of the artifact was healthy here before, or is what was applied last: what runs once did for it. */
export function ranBefore(
  { records, applied }: Pick<LedgerSummary, 'records' | 'applied'>,
  { verified, environment, treeDigest }: Fetched,
): boolean {
  const isHere = (record: RecordSpec | undefined) => record?.environment === environment
  return (
    (isHere(applied) && applied?.treeDigest === treeDigest) ||
    records.some((record) => APPLIED.has(record.kind) && record.digest === verified.digest && isHere(record))
  )
}

/** True when a refusal was said already, and nothing but drift repair happened since. */
export function isSaid(
  summary: LedgerSummary,
  facts: Pick<RecordFacts, 'kind' | 'digest' | 'version' | 'error' | 'trigger'>,
): boolean {
  for (const record of summary.records.toReversed()) {
    if (isAside(record.kind, record.trigger.type)) continue
    const same =
      record.kind === facts.kind &&
      record.digest === facts.digest &&
      record.version === facts.version &&
      record.trigger.generation === facts.trigger.generation
    if (same && errorKey(record) === errorKey(facts)) return true
    // A refusal of what is asked and distrust of what runs may stand side by side.
    if (record.kind !== 'TrustChanged' && record.kind !== 'Refused') return false
    if (record.kind === facts.kind) return false
  }
  return false
}

/** What makes two errors the same to who reads the records: code and objects, not numbers in a message. */
export function errorKey({ error }: Pick<RecordFacts, 'error'>): string {
  return JSON.stringify([error?.code, error?.objects?.map(({ object, code }) => [object, code])])
}

/** The part of a record that tells what it is about. */
export function factsAbout(
  delivery: Pick<Delivery, 'spec'>,
  about: { readonly digest?: Digest; readonly verified?: Verified; readonly fetched?: Fetched },
): Omit<RecordFacts, 'kind' | 'trigger' | 'startedAt'> {
  const { verified, fetched } = about
  const { repository, channel, version, mirrorOf } = delivery.spec.source
  return {
    ...(about.digest === undefined ? {} : { digest: about.digest }),
    environment: environmentOf(delivery.spec),
    source: {
      repository,
      ...(channel === undefined ? {} : { channel }),
      ...(version === undefined ? {} : { version }),
      ...(mirrorOf === undefined ? {} : { mirrorOf }),
    },
    ...(verified === undefined ? {} : factsOfTrust(verified)),
    ...(fetched === undefined
      ? {}
      : {
          environment: fetched.environment,
          treeDigest: fetched.treeDigest,
          revision: fetched.config.source.revision,
        }),
  }
}

function factsOfTrust(verified: Verified) {
  const { trusted, repository, canonical, digest, channel, promotion, release } = verified
  const version = release?.version ?? trusted.releases.at(-1)
  const { provenance } = trusted
  return {
    digest,
    source: {
      repository: repository.repository,
      ...(channel === undefined ? {} : { channel }),
      ...(release === undefined ? {} : { version: release.range }),
      ...(canonical === repository.repository ? {} : { mirrorOf: canonical }),
    },
    ...(version === undefined ? {} : { version }),
    ...(promotion === undefined ? {} : { promotion }),
    ...(release === undefined ? {} : { release }),
    signers: trusted.signers.slice(0, 64).map(({ role, authority, policy, key }) => ({ role, authority, policy, key })),
    policies: trusted.policies.slice(0, 64).map(({ name, generation }) => ({
      name,
      ...(generation === undefined ? {} : { generation }),
    })),
    ...(provenance === undefined
      ? {}
      : {
          provenance: {
            builderId: provenance.builderId,
            sourceRepository: provenance.sourceRepository,
            ...(provenance.ref === undefined ? {} : { ref: provenance.ref }),
            ...(provenance.revision === undefined ? {} : { revision: provenance.revision }),
          },
        }),
  }
}

/** An error as a record holds it. */
export function factsOfError(said: Said, objects?: Objects): Pick<RecordFacts, 'error'> {
  const listed = objects?.slice(0, 50)
  return { error: { ...said, ...(listed === undefined || listed.length === 0 ? {} : { objects: listed }) } }
}
