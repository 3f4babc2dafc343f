import type { RecordFacts, RecordSpec } from '../kinds.ts'
import { recordHash } from './chain.ts'
import type { Checkpoint } from './checkpoint.ts'
import { summarize } from './ledger-summary.ts'

/** How long records are kept: what is among the newest, or younger, stays. */
export const RETENTION = {
  newestKept: 200,
  youngerThanMs: 365 * 24 * 3_600_000,
  /** Fewer are not worth a Checkpoint. */
  dropAtLeast: 50,
  /** What a Checkpoint remembers, the newest of each, so that it fits etcd. */
  ranMax: 2000,
  versionsMax: 5000,
  channelsMax: 200,
} as const

/**
 * The facts of the Checkpoint that lets old records go, or undefined while there is nothing worth dropping. An open Intent
 * and all after it stay. Pure. `records` is a whole chain, in order of sequence.
 */
export function planCheckpoint(records: readonly RecordSpec[], nowMs: number): RecordFacts | undefined {
  const summary = summarize(records)
  const openAt = summary.openIntent?.sequence ?? Number.POSITIVE_INFINITY
  const candidates = records.slice(0, Math.max(0, records.length - RETENTION.newestKept))
  const firstKept = candidates.findIndex(
    ({ startedAt, sequence }) => !(Date.parse(startedAt) <= nowMs - RETENTION.youngerThanMs) || sequence >= openAt,
  )
  const dropped = firstKept < 0 ? candidates : candidates.slice(0, firstKept)
  const last = dropped.at(-1)
  const newest = records.at(-1)
  if (last === undefined || newest === undefined || dropped.length < RETENTION.dropAtLeast) return undefined
  // An earlier Checkpoint that stays tells of what came before these.
  const then = summarize([...dropped, ...records.slice(dropped.length).filter(({ kind }) => kind === 'Checkpoint')])
  const at = `${new Date(nowMs).toISOString().slice(0, 19)}Z`
  const checkpoint: Checkpoint = {
    through: last.sequence,
    hash: recordHash(last),
    ran: [...then.ran].slice(-RETENTION.ranMax),
    promotions: [...then.promotions].slice(-RETENTION.channelsMax).map(([channel, one]) => ({ channel, ...one })),
    versions: [...then.versions].slice(-RETENTION.versionsMax).map(([version, at]) => ({ version, digest: at })),
    ...(then.applied === undefined ? {} : { applied: withoutChanges(then.applied) }),
    ...(then.current === undefined ? {} : { current: then.current }),
    ...(then.release === undefined ? {} : { release: then.release }),
  }
  return {
    kind: 'Checkpoint',
    trigger: { type: 'retention', generation: newest.trigger.generation },
    checkpoint,
    startedAt: at,
    finishedAt: at,
  }
}

function withoutChanges(record: RecordSpec): RecordSpec {
  const { changes: _, ...rest } = record
  return rest
}
