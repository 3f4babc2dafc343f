import type { KeyObject } from 'node:crypto'
import type { Digest } from '../../contract/digest.ts'
import { type RecordSpec, recordSpecSchema } from '../kinds.ts'
import { isSignedBy, readPublicKey, recordHash, recordName, sequenceOfName } from './chain.ts'
import { acceptedThrough, readCheckpoint } from './checkpoint.ts'
import type { NamedRecord } from './record.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'

/**
 * `edited`: not what was signed. `removed`: missing between others. `reordered`: not at its place. `recomputed`: signed by
 * another key, or it does not continue the one before. `truncated`: missing at an end. `foreign`: another Delivery's.
 * `head`: the kept head is gone or was set back.
 */
export type AuditFaultKind = 'edited' | 'removed' | 'reordered' | 'recomputed' | 'truncated' | 'foreign' | 'head'

export type AuditFault = {
  readonly kind: AuditFaultKind
  readonly sequence?: number
  readonly name?: string
  readonly message: string
  /** The record by which a person accepted it and let the puller go on. It is a fault all the same. */
  readonly acceptedIn?: number
}

export type AuditHead = { readonly sequence: number; readonly hash: Digest }

/** Heads that the chain is held against: the ConfigMap's (`null`: it was looked at and has none), the Delivery status's, and one that the auditor kept. */
export type AuditHeads = {
  readonly configMap?: AuditHead | null
  readonly status?: AuditHead
  readonly given?: AuditHead
}

export type AuditReport = {
  readonly ok: boolean
  readonly records: number
  readonly faults: readonly AuditFault[]
  /** The newest record that is believed. */
  readonly head?: RecordHead
  /** Those that the key signed for this Delivery and that stand under their own name, in order of sequence. */
  readonly believed: readonly RecordSpec[]
}

/**
 * Holds a chain of records against itself, the heads, and the public half of the puller's key. Pure. Without `delivery`
 * the first record that is believed says whose chain it is. A chain begins at 1, or behind a signed Checkpoint. The
 * ConfigMap's head may lag by one, which is what a crash leaves.
 * @throws WaybillError RECORD_KEY when the PEM is no ECDSA P-256 public key
 */
export function auditChain(
  records: readonly NamedRecord[],
  heads: AuditHeads,
  publicPem: string,
  delivery?: DeliveryRef,
): AuditReport {
  const key = readPublicKey(publicPem)
  const faults: AuditFault[] = []
  const believed: RecordSpec[] = []
  const present = new Set<number>()
  let whose = delivery
  for (const record of records) {
    const sequence = sequenceOfName(record.name)
    if (sequence !== undefined) present.add(sequence)
    const judged = judge(record, key, whose)
    if ('kind' in judged) {
      faults.push({ ...judged, name: record.name, ...(sequence === undefined ? {} : { sequence }) })
      continue
    }
    whose ??= judged.spec.delivery
    believed.push(judged.spec)
  }
  believed.sort((a, b) => a.sequence - b.sequence)
  faults.push(...linkFaults(believed, present), ...headFaults(believed, present, heads))
  faults.sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0))
  const head = headOf(believed)
  const marked = faults.map((fault) => withAcceptance(fault, believed))
  return {
    ok: faults.length === 0,
    records: records.length,
    faults: marked,
    believed,
    ...(head === undefined ? {} : { head }),
  }
}

function withAcceptance(fault: AuditFault, believed: readonly RecordSpec[]): AuditFault {
  const by = believed.find((record) => (acceptedThrough(record) ?? -1) >= (fault.sequence ?? 0))
  return by === undefined ? fault : { ...fault, acceptedIn: by.sequence }
}

/** Where a chain of believed records, in order of sequence, ends. */
export function headOf(believed: readonly RecordSpec[]): RecordHead | undefined {
  const newest = believed.at(-1)
  if (newest === undefined) return undefined
  return { name: recordName(newest.delivery, newest.sequence), sequence: newest.sequence, hash: recordHash(newest) }
}

type Judged = { readonly spec: RecordSpec } | { readonly kind: AuditFaultKind; readonly message: string }

/** One record by itself: its form, its key, its signature, its Delivery, its name. */
function judge(
  { name, namespace, spec }: NamedRecord,
  key: { readonly key: KeyObject; readonly digest: Digest },
  whose: DeliveryRef | undefined,
): Judged {
  const parsed = recordSpecSchema.safeParse(spec)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    return { kind: 'edited', message: `not a record: spec.${issue?.path.join('.')}: ${issue?.message}` }
  }
  const record = parsed.data
  if (!isSignedBy(key.key, record))
    return record.key === key.digest
      ? { kind: 'edited', message: 'it is not what the puller signed' }
      : { kind: 'recomputed', message: `it was signed with another key, ${record.key}` }
  if (record.key !== key.digest) return { kind: 'recomputed', message: `it names another key, ${record.key}` }
  const { delivery } = record
  if (whose !== undefined && !sameDelivery(delivery, whose))
    return { kind: 'foreign', message: `it is of Delivery ${delivery.namespace}/${delivery.name} (${delivery.uid})` }
  if (delivery.namespace !== namespace)
    return { kind: 'foreign', message: `it was written in namespace ${delivery.namespace}` }
  if (recordName(delivery, record.sequence) !== name)
    return { kind: 'reordered', message: `it is record ${record.sequence}, under another one’s name` }
  return { spec: record }
}

function sameDelivery(a: DeliveryRef, b: DeliveryRef): boolean {
  return a.uid === b.uid && a.name === b.name && a.namespace === b.namespace
}

function linkFaults(believed: readonly RecordSpec[], present: ReadonlySet<number>): AuditFault[] {
  const faults: AuditFault[] = []
  const missing = (from: number, to: number, kind: 'removed' | 'truncated') => {
    const gone = range(from, to).filter((sequence) => !present.has(sequence))
    const first = gone[0]
    if (first === undefined) return
    const message = `${gone.length === 1 ? `record ${first} is` : `${gone.length} records from ${first} are`} missing`
    faults.push({ kind, sequence: first, message })
  }
  const first = believed[0]
  if (first !== undefined) faults.push(...startFaults(believed, first, missing))
  for (const [i, record] of believed.entries()) {
    const before = believed[i - 1]
    if (before === undefined) continue
    const { sequence } = record
    if (before.sequence === sequence)
      faults.push({ kind: 'reordered', sequence, message: 'two records have this number' })
    else if (before.sequence + 1 < sequence) missing(before.sequence + 1, sequence - 1, 'removed')
    else if (record.previous !== recordHash(before))
      faults.push({
        kind: 'recomputed',
        sequence,
        message: `it does not continue record ${before.sequence} as that stands`,
      })
  }
  return faults
}

/** A chain begins with record 1, which continues nothing, or not later than a Checkpoint allows. */
function startFaults(
  believed: readonly RecordSpec[],
  first: RecordSpec,
  missing: (from: number, to: number, kind: 'removed' | 'truncated') => void,
): AuditFault[] {
  const { sequence } = first
  if (sequence === 1)
    return first.previous === undefined
      ? []
      : [{ kind: 'recomputed', sequence, message: 'it is the first record, and names one before it' }]
  const checkpoint = believed
    .map(readCheckpoint)
    .filter((one) => one !== undefined)
    .reduce((a, b) => (b.through > a.through ? b : a), { through: 0, hash: '' })
  if (sequence > checkpoint.through + 1) missing(checkpoint.through + 1, sequence - 1, 'truncated')
  else if (sequence === checkpoint.through + 1 && first.previous !== checkpoint.hash)
    return [{ kind: 'recomputed', sequence, message: 'it does not continue the record that the Checkpoint names' }]
  return []
}

function headFaults(believed: readonly RecordSpec[], present: ReadonlySet<number>, heads: AuditHeads): AuditFault[] {
  const newest = believed.at(-1)?.sequence ?? 0
  const bySequence = new Map(believed.map((record) => [record.sequence, record]))
  const faults: AuditFault[] = []
  const hold = (where: string, head: AuditHead) => {
    const { sequence, hash } = head
    const record = bySequence.get(sequence)
    if (sequence > newest && !present.has(sequence)) {
      const message = `the head in ${where} is record ${sequence}; the newest one here is ${newest === 0 ? 'none' : newest}`
      faults.push({ kind: 'truncated', sequence, message })
    } else if (record !== undefined && recordHash(record) !== hash)
      faults.push({ kind: 'recomputed', sequence, message: `it is not the record that the head in ${where} names` })
  }
  if (heads.status) hold('the Delivery’s status', heads.status)
  if (heads.given) hold('the auditor’s hand', heads.given)
  if (heads.configMap) {
    hold('the ConfigMap', heads.configMap)
    if (heads.configMap.sequence < newest - 1)
      faults.push({
        kind: 'head',
        sequence: heads.configMap.sequence,
        message: `the head in the ConfigMap was set back: the newest record is ${newest}`,
      })
  } else if (heads.configMap === null && newest > 1)
    faults.push({ kind: 'head', sequence: newest, message: 'the ConfigMap has no head for this Delivery any more' })
  return faults
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.min(Math.max(0, to - from + 1), 100_000) }, (_, i) => from + i)
}
