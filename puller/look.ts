import { isJsonObject, type JsonObject } from '../contract/canonical-json.ts'
import { WaybillError } from '../contract/errors.ts'
import { durationMs, timestamp } from './clock.ts'
import { answerError } from './cluster/answer-error.ts'
import { suspendedSays } from './control/says.ts'
import { takeControl } from './control/take-control.ts'
import { factsOfError, isSaid } from './facts.ts'
import type { Delivery, RecordFacts } from './kinds.ts'
import { type Said, sayError } from './message.ts'
import { type DeliveryHeader, deliveryPath, parseDelivery, parseHeader } from './observe.ts'
import type { NextRun, Turn } from './queue.ts'
import { type Ending, observeAccount, reconcile } from './reconcile.ts'
import { type Ledger, openLedger } from './records/ledger.ts'
import { findingOf, findingOfError, nextRunOf, recordsOf } from './report.ts'
import type { Site } from './site.ts'
import { type Finding, nextStatus, writeStatus } from './status.ts'

export type DeliveryKey = { readonly namespace: string; readonly name: string }

/** What one look came to: when to look again, and what was said, for `once`. */
export type Look = { readonly next: NextRun; readonly said?: Finding['ready'] }

/**
 * One look at one Delivery: observes it, reconciles it, says in its status what came of it. Throws only for faults of
 * ours; what can happen in the world is a status, a record and a time to look again.
 */
export async function look(site: Site, key: DeliveryKey, turn: Turn): Promise<Look> {
  let object: JsonObject | undefined
  try {
    object = await readDelivery(site, key, turn)
  } catch (error) {
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    return unreadable(site, key, error)
  }
  if (object === undefined) return { next: { kind: 'never' } }
  const header = parseHeader(object)
  const report = reporter(site, header)
  let ledger: Ledger | undefined
  try {
    ledger = await openLedger(site.cluster, site.keys, header, { pullerNamespace: site.namespace, clock: site.clock })
    const control = await takeControl(site, parseDelivery(object), ledger)
    if (control.kind === 'edited') return { next: { kind: 'after', ms: 0 } }
    if (control.kind === 'suspended') {
      const { message, lookInMs } = control
      const said = await report({ ...suspendedSays(header.generation, message), ...recordsOf(ledger.summary) })
      return { next: lookInMs === undefined ? { kind: 'never' } : { kind: 'at', ms: lookInMs }, said }
    }
    const { delivery } = control
    const ending = await observeAndReconcile(site, delivery, ledger, turn, report)
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    const said = await report(findingOf(delivery, ledger.summary, ending))
    log(site, key, ending, said)
    return { next: nextRunOf(delivery, ending, site.clock.nowMs()), said }
  } catch (error) {
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    return concludeError(site, header, ledger, error, report)
  }
}

async function readDelivery(site: Site, key: DeliveryKey, turn: Turn): Promise<JsonObject | undefined> {
  const path = deliveryPath(key.namespace, key.name)
  const answer = await site.cluster.request('puller', { method: 'GET', path, signal: turn.signal })
  if (answer.status === 404) return undefined
  if (answer.status !== 200) throw answerError(`Delivery ${key.namespace}/${key.name}`, answer)
  const { metadata } = answer.body
  // What it delivered stays (deletion: orphan), so there is nothing to do for one that is going.
  return isJsonObject(metadata) && metadata.deletionTimestamp !== undefined ? undefined : answer.body
}

/** The API server cannot be asked: there is nothing to write a status to, and every reason to try again soon. */
function unreadable(site: Site, { namespace, name }: DeliveryKey, error: unknown): Look {
  if (!(error instanceof WaybillError)) throw error
  const { code, message } = sayError(error)
  site.log.warn({ delivery: `${namespace}/${name}`, code }, message)
  return { next: nextAfterError(error), said: { status: 'False', reason: code, message } }
}

type Report = (finding: Finding) => Promise<Finding['ready']>

/** Writes the status when it says something new; remembers what it wrote. */
function reporter(site: Site, header: DeliveryHeader): Report {
  let status = header.status
  return async (finding) => {
    const next = nextStatus(status, finding, timestamp(site.clock))
    await writeStatus(site.cluster, header, status, next)
    status = next
    return finding.ready
  }
}

async function observeAndReconcile(
  site: Site,
  delivery: Delivery,
  ledger: Ledger,
  turn: Turn,
  report: Report,
): Promise<Ending> {
  const { account, access } = await observeAccount(site, delivery)
  const progress = async (reason: string, message: string) => {
    await report({
      generation: delivery.generation,
      ready: { status: 'Unknown', reason, message },
      reconciling: { reason, message },
      ...recordsOf(ledger.summary),
    })
  }
  return reconcile({ site, delivery, account, access, ledger, turn, progress })
}

/** Says what went wrong where people look, and records it when it is a refusal. */
async function concludeError(
  site: Site,
  header: DeliveryHeader,
  ledger: Ledger | undefined,
  error: unknown,
  report: Report,
): Promise<Look> {
  const said = sayError(error)
  const where = { delivery: `${header.namespace}/${header.name}`, code: said.code }
  if (said.code === 'INTERNAL') site.log.error({ ...where, err: error }, 'an unexpected fault')
  else site.log.warn(where, said.message)
  if (ledger !== undefined && isRefusal(said)) await recordRefused(site, header, ledger, said)
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
 * What may recover by itself is tried less and less often, but every minute at least. What a person must change is looked
 * at again now and then: what he changes may be elsewhere (an account, a secret).
 */
function nextAfterError(error: unknown): NextRun {
  if (error instanceof WaybillError && error.retry !== 'later') return { kind: 'after', ms: ON_CHANGE_MS }
  const seconds = error instanceof WaybillError ? error.retryAfterSeconds : undefined
  return { kind: 'backoff', maxMs: ON_CHANGE_MS, ...(seconds === undefined ? {} : { ms: seconds * 1000 }) }
}

function log(site: Site, key: DeliveryKey, { resolved, result, refusal }: Ending, said: Finding['ready']): void {
  const fields = {
    delivery: `${key.namespace}/${key.name}`,
    ...(resolved === undefined ? {} : { digest: resolved.digest }),
    ...(result === undefined ? {} : { result: result.kind }),
    reason: said.reason,
  }
  if (refusal === undefined && result?.kind === 'healthy') site.log.info(fields, said.message)
  else site.log.warn(fields, said.message)
}
