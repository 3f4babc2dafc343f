import type { JsonObject } from '../../contract/canonical-json.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { durationMs, timestamp } from '../clock.ts'
import { accountExists } from '../cluster/access.ts'
import { answerError } from '../cluster/answer-error.ts'
import { accountOf } from '../cluster/delivery-extra.ts'
import { suspendedSays } from '../control/says.ts'
import { takeControl } from '../control/take-control.ts'
import { ANNOTATION, type Delivery, FINALIZER, type RecordFacts } from '../kinds.ts'
import { type Said, sayError } from '../message.ts'
import { timed } from '../metrics/observation.ts'
import { type DeliveryHeader, deliveryPath, parseDelivery, parseHeader } from '../observe.ts'
import { factsOfError, isSaid } from '../reconcile/facts.ts'
import type { Job } from '../reconcile/job.ts'
import { type Ending, observeAccount, reconcile } from '../reconcile/reconcile.ts'
import { besides } from '../records/besides.ts'
import { type Ledger, openLedger } from '../records/ledger.ts'
import { holdBack } from '../remove/finalizer.ts'
import { removeDelivery } from '../remove/remove.ts'
import { findingOf, findingOfError, nextRunOf, recordsOf } from '../say/report.ts'
import { type Finding, nextStatus, writeStatus } from '../say/status.ts'
import { Telling } from '../say/tell.ts'
import type { Site } from '../site.ts'
import { lookAtUnmanaged } from '../unmanaged/unmanaged.ts'
import { Memory } from './memory.ts'
import type { NextRun, Turn } from './queue.ts'

export type DeliveryKey = { readonly namespace: string; readonly name: string }

/** What one look came to: when to look again, and what was said, for `once`. */
export type Look = { readonly next: NextRun; readonly said?: Finding['ready'] }

/**
 * One look at one Delivery: observes it, reconciles it, says in its status what came of it. What the memory holds is not asked for again,
 * `watched`, the Delivery as the watch shows it, neither. Throws only for faults of ours; what can happen in the world is a status, a
 * record and a time to look again.
 */
export async function look(
  site: Site,
  key: DeliveryKey,
  turn: Turn,
  memory: Memory = new Memory(undefined),
  watched?: JsonObject,
): Promise<Look> {
  const isAnew = memory.beginLook(site.clock.monotonicMs())
  const telling = new Telling(site)
  let ready: Finding['ready']['status'] = 'Unknown'
  try {
    const looked = await lookOnce(site, key, turn, memory, isAnew ? undefined : watched, telling)
    ready = looked.said?.status ?? ready
    return memory.plan(looked, site.clock.monotonicMs())
  } finally {
    memory.endLook()
    telling.end(ready)
  }
}

async function lookOnce(
  site: Site,
  key: DeliveryKey,
  turn: Turn,
  memory: Memory,
  watched: JsonObject | undefined,
  telling: Telling,
): Promise<Look> {
  let object: JsonObject | undefined
  try {
    object = watched === undefined ? await readDelivery(site, key, turn) : unlessDeleted(watched)
  } catch (error) {
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    return unreadable(site, key, error, memory)
  }
  if (memory.unreadable !== undefined) site.log.info(where(key), 'the API server answers again')
  memory.unreadable = undefined
  if (object === undefined) return { next: { kind: 'never' } }
  const read = parseHeader(object)
  memory.recall(read, site.policies())
  const header = { ...read, status: memory.statusOf(read) }
  const report = reporter(site, header, memory, telling)
  if (header.deletedAt !== undefined) {
    const patience = memory.removal(header.deletedAt, site.clock)
    return removeDelivery(site, object, turn, report, patience)
  }
  let ledger: Ledger | undefined
  try {
    ledger =
      memory.books?.ledger ??
      (await openLedger(site.cluster, site.keys, header, {
        isNew: memory.takeNew(),
        ...site,
      }))
    telling.opened(header, ledger)
    const parsed = { ...parseDelivery(object), status: header.status }
    await telling.begin(parsed)
    await holdBack(site.cluster, parsed, parsed.spec.deletion === 'delete' ? 'held' : 'free')
    const control = await takeControl(site, parsed, besides(ledger, turn))
    if (control.kind === 'overtaken') return { next: { kind: 'backoff' } }
    if (control.kind === 'suspended') {
      const { message, lookInMs } = control
      const said = await report({ ...suspendedSays(header.generation, message), ...recordsOf(ledger.summary) })
      telling.outcome(said)
      return { next: lookInMs === undefined ? { kind: 'never' } : { kind: 'at', ms: lookInMs }, said }
    }
    const { delivery } = control
    memory.comparesAs(delivery, site.clock)
    const reconciled = await observeAndReconcile(site, delivery, ledger, turn, report, memory)
    const ending = { ...reconciled, unwatched: memory.unwatched(), contested: memory.contested() }
    if (turn.signal.aborted) {
      memory.closeBooks()
      return { next: { kind: 'after', ms: 0 } }
    }
    memory.keep(ending)
    const unmanaged = await unmanagedNow(site, delivery, besides(ledger, turn), turn, memory)
    const said = await report({ ...findingOf(delivery, ledger.summary, ending), ...unmanaged })
    telling.outcome(said, { ending })
    return { next: nextRunOf(delivery, ending, site.clock.nowMs()), said }
  } catch (error) {
    memory.closeBooks()
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    return concludeError(site, header, ledger && besides(ledger, turn), error, report, telling)
  }
}

/** As often as everything is compared, and when a person confirmed what was found. */
async function unmanagedNow(site: Site, delivery: Delivery, ledger: Ledger, { signal }: Turn, memory: Memory) {
  const confirmed = delivery.annotations[ANNOTATION.confirm] ?? ''
  if (memory.unmanaged === confirmed) return {}
  const account = accountOf(delivery)
  try {
    const found = await lookAtUnmanaged({ site, delivery, account, ledger, signal })
    memory.unmanaged = confirmed
    return found
  } catch (error) {
    if (!hasCode(error, 'CLUSTER_FAILED')) throw error
    site.log.warn({ delivery: `${delivery.namespace}/${delivery.name}`, code: error.code }, error.message)
    return {}
  }
}

async function readDelivery(site: Site, key: DeliveryKey, turn: Turn): Promise<JsonObject | undefined> {
  const path = deliveryPath(key.namespace, key.name)
  const answer = await site.cluster.request('puller', { method: 'GET', path, signal: turn.signal })
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw answerError(`Delivery ${key.namespace}/${key.name}`, answer)
  return unlessDeleted(answer.body)
}

/** What it delivered stays, unless it is held back for `deletion: delete`, so there is nothing to do for one that is going. */
function unlessDeleted(object: JsonObject): JsonObject | undefined {
  const { deletedAt, finalizers } = parseHeader(object)
  return deletedAt !== undefined && !finalizers?.includes(FINALIZER) ? undefined : object
}

function where({ namespace, name }: DeliveryKey): { readonly delivery: string } {
  return { delivery: `${namespace}/${name}` }
}

/** The API server cannot be asked, which is said once: there is nothing to write a status to, and every reason to try again soon. */
function unreadable(site: Site, key: DeliveryKey, error: unknown, memory: Memory): Look {
  if (!(error instanceof WaybillError)) throw error
  const { code, message } = sayError(error)
  if (memory.unreadable !== code) site.log.warn({ ...where(key), code }, message)
  memory.unreadable = code
  return { next: nextAfterError(error), said: { status: 'False', reason: code, message } }
}

type Report = (finding: Finding) => Promise<Finding['ready']>

/** Writes the status when it says something new; remembers what it wrote. */
function reporter(site: Site, header: DeliveryHeader, memory: Memory, telling: Telling): Report {
  let { status } = header
  return async (finding) => {
    const next = nextStatus(status, finding, timestamp(site.clock))
    memory.status = undefined
    memory.wroteStatus(next, await writeStatus(site.cluster, header, status, next))
    telling.reported(header, status, next)
    status = next
    memory.status = next
    return finding.ready
  }
}

async function observeAndReconcile(
  site: Site,
  delivery: Delivery,
  ledger: Ledger,
  turn: Turn,
  report: Report,
  memory: Memory,
): Promise<Ending> {
  const progress: Job['progress'] = async (reason, message, progress) => {
    await report({
      generation: delivery.generation,
      ready: { status: 'Unknown', reason, message },
      reconciling: { reason, message },
      healthy: { status: 'Unknown', reason, message },
      ...(progress === undefined ? {} : { progress: { ...progress, waiting: [...progress.waiting] } }),
      ...recordsOf(ledger.summary),
    })
  }
  const remembered = memory.books
  // A deleted account can still be acted as.
  memory.beforeAsking =
    remembered === undefined ? undefined : () => accountExists(site.cluster, remembered.account, turn.signal)
  const books =
    remembered ??
    memory.open(
      delivery,
      site.policies(),
      ledger,
      await timed(site, 'observe', () => observeAccount(site, delivery, { isDoubtful: memory.isDoubtful })),
    )
  const observed = { site, delivery, account: books.account, ledger: besides(ledger, turn), turn, progress, memory }
  const ending = await reconcile({ ...observed, access: books.access })
  if (remembered === undefined || ending.refusal?.code !== 'REGISTRY_AUTH') return ending
  // The secret may hold another login by now.
  const { access } = await observeAccount(site, delivery)
  if (access.shareKey === books.access.shareKey) return ending
  memory.open(delivery, site.policies(), ledger, { account: books.account, access })
  return reconcile({ ...observed, access })
}

/** Says what went wrong where people look, and records it when it is a refusal. */
async function concludeError(
  site: Site,
  header: DeliveryHeader,
  ledger: Ledger | undefined,
  error: unknown,
  report: Report,
  telling: Telling,
): Promise<Look> {
  const said = sayError(error)
  if (ledger !== undefined && isRefusal(said)) await recordRefused(site, header, ledger, said)
  // Before the status is written, which may be what cannot be done.
  telling.outcome({ status: 'False', reason: said.code, message: said.message }, { header, fault: error })
  const ready = await report(findingOfError(header.generation, said, ledger?.summary))
  return { next: nextAfterError(error), said: ready }
}

function isRefusal({ code }: Said): boolean {
  return code !== 'RECORD_CHAIN_BROKEN' && new WaybillError(code, '').exit === 3
}

async function recordRefused(site: Site, header: DeliveryHeader, ledger: Ledger, said: Said): Promise<void> {
  const facts: RecordFacts = {
    kind: 'Refused',
    trigger: { type: 'spec', generation: header.generation },
    ...factsOfError(said),
    startedAt: timestamp(site.clock),
  }
  if (!isSaid(ledger.summary, facts)) await ledger.append(facts)
}

const ON_CHANGE_MS = durationMs('1m')

/**
 * Tried less and less often, but every minute at least. What a person must change, too: what he changes may be elsewhere (an account, a
 * secret), and an API server that has just begun forbids what it allows a moment later.
 */
function nextAfterError(error: unknown): NextRun {
  if (error instanceof WaybillError && error.retry !== 'later')
    return { kind: 'backoff', maxMs: ON_CHANGE_MS, isAnswer: true }
  const seconds = error instanceof WaybillError ? error.retryAfterSeconds : undefined
  return { kind: 'backoff', maxMs: ON_CHANGE_MS, ...(seconds === undefined ? {} : { ms: seconds * 1000 }) }
}
