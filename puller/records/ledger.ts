import { canonicalJson } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import { type Clock, timestamp } from '../clock.ts'
import { answerError } from '../cluster/answer-error.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { ANNOTATION, type RecordFacts, type RecordSpec } from '../kinds.ts'
import { type Observer, timed } from '../metrics/observation.ts'
import { type AuditFault, auditChain } from './audit.ts'
import { recordHash, recordName, signRecord } from './chain.ts'
import { acceptance, readCheckpoint } from './checkpoint.ts'
import type { FirstRecords } from './first-records.ts'
import type { HeadKeeper } from './head-keeper.ts'
import type { KeptHead } from './heads.ts'
import type { PullerKeys } from './keys.ts'
import { type RecordsSummary, summarize } from './ledger-summary.ts'
import { boundFacts, listRecords, namedRecord, recordObject, recordsPath } from './record.ts'
import type { DeliveryRef, RecordHead } from './record-head.ts'
import { planCheckpoint } from './retention.ts'

/** What the records say. Only records that our key signed for this Delivery are believed. */
export type LedgerSummary = RecordsSummary & {
  readonly head?: RecordHead
  /** Why the chain is not whole, in a sentence; absent when it is. */
  readonly broken?: string
  /** Those that are believed, in order of sequence. */
  readonly records: readonly RecordSpec[]
}

/** One Delivery's records. */
export interface Ledger {
  readonly summary: LedgerSummary
  /**
   * Chains, signs and writes one record, and moves the head in the ConfigMap. A Refused or Failed that says the same as the
   * newest record writes nothing. After it `summary` is that of the longer chain.
   * @throws WaybillError CLUSTER_CONFLICT when another puller wrote meanwhile: open the ledger again
   */
  append(facts: RecordFacts): Promise<RecordHead>
}

export type LedgerOptions = {
  /** The Delivery was made while this puller led: nothing was ever recorded of it. */
  readonly isNew?: boolean
  readonly heads: HeadKeeper
  /** What was listed for several Deliveries together; believed only where there is no head yet. */
  readonly firstRecords?: Pick<FirstRecords, 'take'>
  readonly clock: Clock
  readonly observe?: Observer | undefined
}

/** A name that somebody else took is left to him, and the gap shows; so many times. */
const TAKEN_NAMES_MAX = 20
/** Another puller writes while this one reads: so often it is read again. */
const MOVED_HEADS_MAX = 5

/**
 * Reads a Delivery's records and its head, and moves a head up that a crash left one behind. Where records are gone that
 * the head knows of, the chain goes on from the head, so that the gap stays visible; `summary.broken` says so until a
 * person accepts it: annotation `waybill.dev/confirm` with the hash of the newest record, which is recorded.
 * @throws WaybillError CLUSTER_NOT_INSTALLED, CLUSTER_FORBIDDEN, CLUSTER_FAILED, CLUSTER_UNREACHABLE
 */
export async function openLedger(
  cluster: Cluster,
  keys: PullerKeys,
  delivery: DeliveryRef & { readonly annotations?: Readonly<Record<string, string>> },
  options: LedgerOptions,
): Promise<Ledger> {
  // The head first: it can then only be behind the records, not ahead of them because one was written in between.
  const { isNew = false, heads, firstRecords } = options
  const judge = async (kept: KeptHead) => {
    const first = isNew ? [] : kept.head === null && !kept.unreadable ? await firstRecords?.take(delivery) : undefined
    const named = first ?? (await listRecords(cluster, delivery))
    const report = auditChain(named, kept.unreadable ? {} : { configMap: kept.head }, keys.publicPem, delivery)
    return { kept, report, broken: brokenSentence(report.faults, kept) }
  }
  const read = isNew ? { head: null, unreadable: false, isRemembered: false } : await heads.read(delivery.uid)
  let judged = await judge(read)
  const isAsRemembered = judged.broken === undefined && judged.report.head?.sequence === read.head?.sequence
  // Another puller may have gone further than what is remembered.
  if (read.isRemembered && !isAsRemembered) judged = await judge(await heads.read(delivery.uid, { anew: true }))
  // Who writes two records between our two questions has left the head that we read behind; one that was set back stays where it is.
  for (let tries = 1; !isNew && judged.broken !== undefined && tries <= MOVED_HEADS_MAX; tries++) {
    const now = await heads.read(delivery.uid, { anew: true })
    if (now.head?.hash === judged.kept.head?.hash) break
    judged = await judge(now)
  }
  const { kept, report, broken } = judged
  const newest = report.head
  const ahead = kept.head !== null && kept.head.sequence > (newest?.sequence ?? 0) ? kept.head : undefined
  const tail = ahead === undefined ? newest : { name: recordName(delivery, ahead.sequence), ...ahead }
  const open = (fault: string | undefined) =>
    new ChainedLedger(cluster, keys, delivery, options, report.believed, tail, fault)
  if (broken !== undefined && tail !== undefined && delivery.annotations?.[ANNOTATION.confirm] === tail.hash) {
    const accepting = open(undefined)
    await accepting.accept(report.faults.map(({ message }) => message))
    return accepting
  }
  const ledger = open(broken)
  if (broken === undefined && newest !== undefined && kept.head?.sequence !== newest.sequence)
    await ledger.keepHead(newest)
  return ledger
}

class ChainedLedger implements Ledger {
  readonly #cluster: Cluster
  readonly #keys: PullerKeys
  readonly #delivery: DeliveryRef
  readonly #options: LedgerOptions
  readonly #broken: string | undefined
  #records: readonly RecordSpec[]
  #tail: RecordHead | undefined
  /** The head in the ConfigMap may be behind `#tail`: its write failed. */
  #behind = false
  #summary: LedgerSummary

  constructor(
    cluster: Cluster,
    keys: PullerKeys,
    delivery: DeliveryRef,
    options: LedgerOptions,
    records: readonly RecordSpec[],
    tail: RecordHead | undefined,
    broken: string | undefined,
  ) {
    this.#cluster = cluster
    this.#keys = keys
    this.#delivery = { namespace: delivery.namespace, name: delivery.name, uid: delivery.uid }
    this.#options = options
    this.#records = records
    this.#tail = tail
    this.#broken = broken
    this.#summary = this.#summarize()
  }

  get summary(): LedgerSummary {
    return this.#summary
  }

  async append(facts: RecordFacts): Promise<RecordHead> {
    const bounded = boundFacts(facts)
    const newest = this.#records.at(-1)
    if (this.#behind && this.#tail !== undefined) {
      await this.keepHead(this.#tail)
      // Asked again, because all that failed was the head.
      if (newest !== undefined && canonicalJson(factsOf(newest)) === canonicalJson(bounded)) return this.#tail
    }
    if (this.#tail !== undefined && newest?.sequence === this.#tail.sequence && saysTheSame(newest, bounded))
      return this.#tail
    const head = await timed(this.#options, 'record', () => this.#write(bounded))
    return (await this.#dropOld(bounded)) ?? head
  }

  /** Records that a person accepted the chain as it is. */
  async accept(faults: readonly string[]): Promise<void> {
    const generation = this.#records.at(-1)?.trigger.generation ?? 0
    await this.#write(acceptance(this.#tail?.sequence ?? 1, faults, generation, timestamp(this.#options.clock)))
  }

  /** Writes the head to the ConfigMap. */
  async keepHead(head: RecordHead): Promise<void> {
    this.#behind = true
    await this.#options.heads.write(this.#delivery, head)
    this.#behind = false
  }

  async #write(facts: RecordFacts): Promise<RecordHead> {
    const spec = await this.#create(facts)
    const head = {
      name: recordName(this.#delivery, spec.sequence),
      sequence: spec.sequence,
      hash: recordHash(spec),
    }
    this.#records = [...this.#records, spec]
    this.#tail = head
    this.#summary = this.#summarize()
    await this.keepHead(head)
    return head
  }

  /** Creates the record at the first place that is free; a name that holds no record of ours is passed over. */
  async #create(facts: RecordFacts): Promise<RecordSpec> {
    const first = (this.#tail?.sequence ?? 0) + 1
    for (let sequence = first; sequence < first + TAKEN_NAMES_MAX; sequence++) {
      const place = { delivery: this.#delivery, sequence, previous: this.#tail?.hash }
      const spec = signRecord(this.#keys, facts, place)
      const path = recordsPath(this.#delivery.namespace)
      const answer = await this.#cluster.request('puller', { method: 'POST', path, body: recordObject(spec) })
      if (answer.status === 201) return spec
      const what = `record ${recordName(this.#delivery, sequence)}`
      if (answer.status === 404)
        throw new WaybillError('CLUSTER_NOT_INSTALLED', `${what}: the namespace or the kind DeliveryRecord is gone`)
      if (answer.status !== 409) throw answerError(what, answer)
      const there = await this.#readOurs(sequence)
      if (there === undefined) continue
      // The same facts at the same place: our own create, whose answer was lost.
      if (sameUnsigned(there, spec)) return there
      throw new WaybillError('CLUSTER_CONFLICT', `${what}: another puller wrote it meanwhile`)
    }
    throw new WaybillError(
      'RECORD_CHAIN_BROKEN',
      `the names of ${TAKEN_NAMES_MAX} records from ${recordName(this.#delivery, first)} are taken by what is no record`,
    )
  }

  async #readOurs(sequence: number): Promise<RecordSpec | undefined> {
    const name = recordName(this.#delivery, sequence)
    const path = `${recordsPath(this.#delivery.namespace)}/${name}`
    const answer = await this.#cluster.request('puller', { method: 'GET', path })
    if (answer.status !== 200) throw answerError(`record ${name}`, answer)
    return auditChain([namedRecord(answer.body)], {}, this.#keys.publicPem, this.#delivery).believed[0]
  }

  /** Lets old records go behind a Checkpoint, oldest first. A chain with a fault is left as it is. */
  async #dropOld(facts: RecordFacts): Promise<RecordHead | undefined> {
    if (this.#broken !== undefined || facts.kind === 'Intent') return undefined
    const planned = planCheckpoint(this.#records, this.#options.clock.nowMs())
    const head = planned === undefined ? undefined : await this.#write(planned)
    const through = Math.max(0, ...this.#records.map((record) => readCheckpoint(record)?.through ?? 0))
    for (const { sequence } of this.#records.filter((record) => record.sequence <= through)) {
      const name = recordName(this.#delivery, sequence)
      const path = `${recordsPath(this.#delivery.namespace)}/${name}`
      const answer = await this.#cluster.request('puller', { method: 'DELETE', path })
      if (answer.status !== 200 && answer.status !== 404) throw answerError(`record ${name}`, answer)
      this.#records = this.#records.filter((record) => record.sequence !== sequence)
    }
    if (through > 0) this.#summary = this.#summarize()
    return head
  }

  #summarize(): LedgerSummary {
    return {
      ...summarize(this.#records),
      records: this.#records,
      ...(this.#tail === undefined ? {} : { head: this.#tail }),
      ...(this.#broken === undefined ? {} : { broken: this.#broken }),
    }
  }
}

/** A repeated refusal or failure tells nothing new. Only the newest record is looked at. */
function saysTheSame(newest: RecordSpec, facts: RecordFacts): boolean {
  if (newest.kind !== facts.kind || (facts.kind !== 'Refused' && facts.kind !== 'Failed')) return false
  const said = ({ digest, error, trigger }: RecordFacts) =>
    canonicalJson([digest ?? null, error?.code ?? null, error?.message ?? null, trigger.type, trigger.generation])
  return said(newest) === said(facts)
}

function factsOf(record: RecordSpec): RecordFacts {
  const { delivery: _d, sequence: _q, previous: _p, key: _k, signature: _s, ...facts } = record
  return facts
}

function sameUnsigned(a: RecordSpec, b: RecordSpec): boolean {
  const { signature: _a, ...one } = a
  const { signature: _b, ...other } = b
  return canonicalJson(one) === canonicalJson(other)
}

function brokenSentence(faults: readonly AuditFault[], kept: KeptHead): string | undefined {
  const open = faults.filter(({ acceptedIn }) => acceptedIn === undefined)
  const said = open.map(({ sequence, message }) => `${sequence === undefined ? '' : `record ${sequence}: `}${message}`)
  const all = kept.unreadable ? ['the head in the ConfigMap cannot be read', ...said] : said
  if (all.length === 0) return undefined
  return `${all.slice(0, 3).join('; ')}${all.length > 3 ? `; and ${all.length - 3} more faults` : ''}`
}
