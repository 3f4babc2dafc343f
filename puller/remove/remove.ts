import { objectName } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { hasCode } from '../../contract/errors.ts'
import { timestamp } from '../clock.ts'
import { checkAccount } from '../cluster/access.ts'
import { ANNOTATION, FINALIZER, type RecordFacts, type RecordSpec } from '../kinds.ts'
import type { NextRun, Turn } from '../loop/queue.ts'
import { boundedMessage, type Said, sayError } from '../message.ts'
import { type DeliveryHeader, parseDelivery, parseHeader } from '../observe.ts'
import { type Inventory, readInventory } from '../plan/inventory.ts'
import type { Refusal } from '../plan/refusal.ts'
import { factsOfError } from '../reconcile/facts.ts'
import { besides } from '../records/besides.ts'
import { type Ledger, openLedger } from '../records/ledger.ts'
import { isDeparture } from '../records/ledger-summary.ts'
import { changeList } from '../records/record.ts'
import type { Finding } from '../say/status.ts'
import type { Site } from '../site.ts'
import { holdBack } from './finalizer.ts'
import { forgetInventory } from './forget-inventory.ts'
import { lookAtMembers, removeMembers } from './members.ts'
import { isNamespaceEnding } from './namespace-ending.ts'
import type { Patience } from './patience.ts'
import { planRemoval, type Removal } from './plan-removal.ts'

type Report = (finding: Finding) => Promise<Finding['ready']>
type Here = Pick<Site, 'cluster' | 'clock' | 'keys' | 'heads' | 'log' | 'outside'>
type Look = { readonly next: NextRun; readonly said?: Finding['ready'] }

const AGAIN_MS = 5_000
const GROUP_MS = 60_000

/**
 * One look at a Delivery that is being deleted and that our finalizer holds back. With `deletion: delete` what it delivered is deleted as its
 * account, group by group; what cannot be is waited for while there is patience, and then left where it is, by name in the record. In a namespace that is itself ending it is let go at once. Never throws for what can happen in the world.
 */
export async function removeDelivery(
  site: Here,
  object: JsonObject,
  turn: Turn,
  report: Report,
  { isOver: isOverdue, until }: Patience,
): Promise<Look> {
  const header = parseHeader(object)
  if (!header.finalizers?.includes(FINALIZER)) return { next: { kind: 'never' } }
  const where = { delivery: `${header.namespace}/${header.name}` }
  try {
    if (await isNamespaceEnding(site.cluster, header.namespace)) site.log.info(where, 'let go: its namespace is ending')
    else {
      const left = await removed(site, header, object, turn, isOverdue)
      if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
      if (left !== undefined && !isOverdue) return waiting(header, left, report, until)
    }
  } catch (error) {
    if (turn.signal.aborted) return { next: { kind: 'after', ms: 0 } }
    const said = sayError(error)
    site.log.warn({ ...where, code: said.code, ...(said.code === 'INTERNAL' ? { err: error } : {}) }, said.message)
    if (!isOverdue || hasCode(error, 'CLUSTER_UNREACHABLE', 'CLUSTER_AUTH')) return waiting(header, said, report, until)
  }
  return letGo(site, header)
}

async function letGo(site: Here, header: DeliveryHeader): Promise<Look> {
  try {
    await holdBack(site.cluster, header, 'free')
    return { next: { kind: 'never' } }
  } catch (error) {
    const { code, message } = sayError(error)
    site.log.warn({ delivery: `${header.namespace}/${header.name}`, code }, message)
    return { next: hasCode(error, 'CLUSTER_CONFLICT') ? { kind: 'after', ms: 0 } : { kind: 'backoff' } }
  }
}

async function waiting(header: DeliveryHeader, said: Said, report: Report, until: string): Promise<Look> {
  const message = boundedMessage(`${said.message}; what cannot be deleted until ${until} is left where it is`)
  const { generation } = header
  try {
    const ready = { status: 'False', reason: said.code, message } as const
    const told = await report({ generation, ready, reconciling: { reason: 'Removing', message } })
    return { next: { kind: 'after', ms: AGAIN_MS }, said: told }
  } catch {
    return { next: { kind: 'backoff' } }
  }
}

/** What the spec asks for, also where other parts of it cannot be read. */
function wishOf({ spec }: JsonObject): { readonly deletion: 'orphan' | 'delete'; readonly serviceAccount: string } {
  const { deletion, serviceAccountName } = isJsonObject(spec) ? spec : ({} satisfies JsonObject)
  return {
    deletion: deletion === 'delete' ? 'delete' : 'orphan',
    serviceAccount: typeof serviceAccountName === 'string' ? serviceAccountName : 'waybill',
  }
}

/** Undefined: it is over, and recorded. Else what is in the way; with `isOverdue`, that is recorded too. */
async function removed(
  site: Here,
  header: DeliveryHeader,
  object: JsonObject,
  turn: Turn,
  isOverdue: boolean,
): Promise<Said | undefined> {
  const { cluster, clock, keys, heads } = site
  const { deletion, serviceAccount } = wishOf(object)
  if (deletion === 'orphan') return undefined
  const ledger = besides(await openLedger(cluster, keys, header, { heads, clock }), turn)
  await beginTelling(site, object, ledger)
  if (isRecorded(ledger)) {
    site.outside?.looked(header, ledger.summary)
    return forget(site, header, await readInventory(cluster, header))
  }
  const inventory = await readInventory(cluster, header)
  const account = { namespace: header.namespace, serviceAccount, delivery: header.name }
  const context = { delivery: header, account, claimKey: keys.claimKey }
  const missing = await accountTrouble(site, account)
  const looked = missing === undefined ? await lookAtMembers(context, inventory, cluster, turn.signal) : []
  if (turn.signal.aborted) return undefined
  const { summary } = ledger
  const confirmed = header.annotations[ANNOTATION.confirm]
  const removal = planRemoval(
    { delivery: header, claimKey: keys.claimKey, current: summary.current, confirmed },
    looked,
  )
  const stuck = missing === undefined ? removal.stuck : orphans(inventory, missing)
  if (stuck.length > 0 && !isOverdue) return saidOf(stuck)
  const intent = await begun(site, header, ledger, removal)
  const groupMs = isOverdue ? 0 : GROUP_MS
  const left = await turn.outside(() =>
    removeMembers(context, removal, cluster, { clock, signal: turn.signal, groupMs }),
  )
  if (turn.signal.aborted) return undefined
  if (left.length > 0 && !isOverdue) return saidOf(left)
  await ledger.append(outcomeOf(site, header, intent, removal, [...stuck, ...left]))
  site.outside?.looked(header, ledger.summary)
  return forget(site, header, inventory)
}

/** A puller that was started meanwhile has told of nothing yet. Who is told of it holds nothing up. */
async function beginTelling({ outside, log }: Here, object: JsonObject, { summary }: Ledger): Promise<void> {
  try {
    await outside?.begin(parseDelivery(object), summary)
  } catch (error) {
    const { code, message } = sayError(error)
    log.warn({ code }, `its removal may not be notified: ${message}`)
  }
}

function isRecorded({ summary }: Ledger): boolean {
  return isDeparture(summary.records.at(-1))
}

/** The Intent of the removal, written before anything is deleted; of what a crash interrupted, the one that it has. */
async function begun(
  site: Here,
  header: DeliveryHeader,
  ledger: Ledger,
  { changes, groups }: Removal,
): Promise<RecordSpec | undefined> {
  const { openIntent, current } = ledger.summary
  if (openIntent?.trigger.type === 'deletion') return openIntent
  if (groups.length === 0) return undefined
  const at = timestamp(site.clock)
  if (openIntent !== undefined) {
    const { delivery: _d, sequence, previous: _p, key: _k, signature: _s, ...facts } = openIntent
    const said = { code: 'SUPERSEDED', message: 'the Delivery was deleted before it was healthy' } as const
    await ledger.append({ ...facts, intent: sequence, kind: 'Failed', ...factsOfError(said), finishedAt: at })
  }
  await ledger.append({
    ...(current === undefined ? {} : { digest: current }),
    kind: 'Intent',
    trigger: { type: 'deletion', generation: header.generation },
    changes: changeList(changes),
    startedAt: at,
  })
  return ledger.summary.openIntent
}

function outcomeOf(
  site: Here,
  header: DeliveryHeader,
  intent: RecordSpec | undefined,
  { changes, kept }: Removal,
  left: readonly Refusal[],
): RecordFacts {
  const at = timestamp(site.clock)
  const objects = left.map(({ object, code, message }) => ({ object, code, message: boundedMessage(message, 512) }))
  const counted = (count: number, what: string) => (count === 0 ? [] : [`${count} ${what}`])
  const reason = [
    ...counted(kept.length, 'kept for want of a confirmation, or as annotated'),
    ...counted(left.length, 'left: they could not be deleted in time'),
  ].join('; ')
  return {
    ...(intent?.digest === undefined ? {} : { digest: intent.digest }),
    ...(intent === undefined ? {} : { intent: intent.sequence }),
    kind: 'Removed',
    trigger: { type: 'deletion', generation: header.generation, ...(reason === '' ? {} : { reason }) },
    // What a restart found gone already is in the Intent.
    changes: intent?.changes ?? changeList(changes),
    ...(left.length === 0 ? {} : factsOfError({ code: 'REMOVAL_INCOMPLETE', message: listedMessage(left) }, objects)),
    startedAt: intent?.startedAt ?? at,
    finishedAt: at,
  }
}

function listedMessage(left: readonly Refusal[]): string {
  const listed = left.slice(0, 5).map(({ object, message }) => (object === '' ? message : `${object}: ${message}`))
  return boundedMessage(`${listed.join('; ')}${left.length > 5 ? `; and ${left.length - 5} more` : ''}`)
}

function saidOf(left: readonly Refusal[]): Said {
  return { code: left[0]?.code ?? 'CLUSTER_FAILED', message: listedMessage(left) }
}

/** Each object of an inventory, with why it is left. */
function orphans({ entries }: Inventory, { code, message }: Said): readonly Refusal[] {
  return [...entries.values()].map((entry) => ({ object: objectName(entry), code, message }))
}

async function forget(site: Here, header: DeliveryHeader, inventory: Inventory): Promise<undefined> {
  await forgetInventory(site.cluster, header.namespace, inventory)
  return undefined
}

/** The account is not there, or cannot be acted as: nothing can be done in its name. */
async function accountTrouble(site: Here, account: Parameters<typeof checkAccount>[1]): Promise<Said | undefined> {
  try {
    await checkAccount(site.cluster, account)
    return undefined
  } catch (error) {
    if (!hasCode(error, 'ACCOUNT_MISSING', 'ACCOUNT_FORBIDDEN')) throw error
    return sayError(error)
  }
}
