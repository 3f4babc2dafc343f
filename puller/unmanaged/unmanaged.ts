import { objectName } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { deleteExactly } from '../apply/delete-object.ts'
import { timestamp } from '../clock.ts'
import { inParallel } from '../cluster/in-parallel.ts'
import { ANNOTATION, type Change, type Delivery, type RecordFacts } from '../kinds.ts'
import { boundedMessage } from '../message.ts'
import { readInventory } from '../plan/inventory.ts'
import { otherDeliveries } from '../plan/other-deliveries.ts'
import type { Account } from '../plan/plan-context.ts'
import type { Refusal } from '../plan/refusal.ts'
import { factsOfError } from '../reconcile/facts.ts'
import type { Ledger } from '../records/ledger.ts'
import { changeList } from '../records/record.ts'
import type { Finding } from '../say/status.ts'
import type { Site } from '../site.ts'
import { findUnmanaged, inStages, neededBy, type Seen, type Unmanaged } from './find.ts'
import { listNamespaces, whoseOf } from './list.ts'

const LISTED_MAX = 50
const UNSEEN_MAX = 20
const AT_ONCE = 8

type Parts = {
  readonly site: Pick<Site, 'cluster' | 'clock' | 'deliveries'>
  readonly delivery: Delivery
  readonly account: Account
  readonly ledger: Ledger
  readonly signal: AbortSignal
}

/**
 * What runs in the namespaces of `spec.unmanaged` and no Delivery owns, for the status. With `policy: delete`, exactly the set that a person
 * confirmed is deleted first, and recorded. Everything is asked as the Delivery's account, metadata only.
 * @throws WaybillError CLUSTER_*, RECORD_*
 */
export async function lookAtUnmanaged(parts: Parts): Promise<Pick<Finding, 'unmanaged'>> {
  const { spec, annotations } = parts.delivery
  await closeInterrupted(parts)
  if (spec.unmanaged === undefined) return { unmanaged: null }
  const found = await find(parts)
  const isConfirmed = found.objects.some(({ isKept }) => !isKept) && annotations[ANNOTATION.confirm] === found.digest
  const may = spec.unmanaged.policy === 'delete' && spec.sync !== 'observe'
  if (!may || !isConfirmed || parts.ledger.summary.openIntent !== undefined) return says(found)
  await remove(parts, { ...found, objects: found.objects.filter(({ isKept }) => !isKept) })
  return says(await find(parts))
}

type Found = Unmanaged & { readonly unseen: readonly string[] }

async function find({ site, delivery, account, signal }: Parts): Promise<Found> {
  const { namespaces = [], ignore = [] } = delivery.spec.unmanaged ?? {}
  const { seen, unseen } = await listNamespaces(site.cluster, account, namespaces, signal)
  // Read after the lists: what was created meanwhile is not in them.
  const others = await otherDeliveries(site.cluster, delivery)
  const own = await readInventory(site.cluster, delivery)
  const inventories = new Map([...[...others.keys()].map((key) => [key, {}] as const), ...own.entries])
  const here: readonly JsonObject[] = (site.deliveries?.() ?? []).concat([
    { metadata: { namespace: delivery.namespace }, spec: JSON.parse(JSON.stringify(delivery.spec)) },
  ])
  // Of thousands of Deliveries, those of these namespaces alone: each pattern is held against each object.
  const needed = neededBy(here.filter(({ metadata }) => namespaces.includes(namespaceOf(metadata))))
  return { ...findUnmanaged(seen, { inventories, needed, ignore }), unseen }
}

function namespaceOf(metadata: Json | undefined): string {
  return isJsonObject(metadata) ? String(metadata.namespace ?? '') : ''
}

function says({ objects, digest, unseen }: Found): Pick<Finding, 'unmanaged'> {
  if (objects.length === 0 && unseen.length === 0) return { unmanaged: { objects: 0, listed: [] } }
  return {
    unmanaged: {
      objects: objects.length,
      listed: objects.slice(0, LISTED_MAX).map(({ id }) => objectName(id)),
      ...(objects.length > 0 && { digest }),
      ...(unseen.length > 0 && { unseen: unseen.slice(0, UNSEEN_MAX) }),
    },
  }
}

const WHY = 'unmanaged objects, confirmed as '

/** A removal that a puller was stopped in gets its outcome; what is left is there to be confirmed again. */
async function closeInterrupted({ site, ledger }: Parts): Promise<void> {
  const open = ledger.summary.openIntent
  if (open?.trigger.type !== 'drift' || open.digest !== undefined || open.trigger.reason?.startsWith(WHY) !== true)
    return
  const { trigger, changes, startedAt, sequence } = open
  await ledger.append({
    trigger,
    startedAt,
    ...(changes === undefined ? {} : { changes }),
    kind: 'Removed',
    intent: sequence,
    ...factsOfError({ code: 'REMOVAL_INCOMPLETE', message: 'the puller was stopped before it was over' }),
    finishedAt: timestamp(site.clock),
  })
}

/** Intent first, then exactly the objects with these uids, stage by stage; what could not be deleted is named in the record. */
async function remove({ site, delivery, account, ledger, signal }: Parts, found: Found): Promise<void> {
  const startedAt = timestamp(site.clock)
  const about: Pick<RecordFacts, 'trigger' | 'changes' | 'startedAt'> = {
    // Beside the way of releases, as drift is.
    trigger: {
      type: 'drift',
      generation: delivery.generation,
      reason: `${WHY}${found.digest}`,
    },
    changes: changeList(found.objects.map(({ id }): Change => ({ action: 'delete', object: objectName(id) }))),
    startedAt,
  }
  const { sequence } = await ledger.append({ ...about, kind: 'Intent' })
  const left: Refusal[] = []
  for (const stage of inStages(found.objects)) {
    const tried = await inParallel(stage, AT_ONCE, (one) => deleteOne(site, account, one, signal))
    left.push(...tried.flatMap((refusal) => refusal ?? []))
  }
  const objects = left.map(({ object, code, message }) => ({ object, code, message: boundedMessage(message, 512) }))
  const message = boundedMessage(left.map(({ object, message }) => `${object}: ${message}`).join('; '))
  await ledger.append({
    ...about,
    kind: 'Removed',
    intent: sequence,
    ...(left.length === 0 ? {} : factsOfError({ code: 'REMOVAL_INCOMPLETE', message }, objects)),
    finishedAt: timestamp(site.clock),
  })
}

async function deleteOne(
  { cluster }: Pick<Site, 'cluster'>,
  account: Account,
  { id, uid, path, resourceVersion, mark }: Seen,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const name = objectName(id)
  if (signal.aborted) return { object: name, code: 'SUPERSEDED', message: 'the look was given up' }
  const deleted = await deleteExactly(
    { cluster, context: { account } },
    { name, path, uid },
    {
      resourceVersion,
      stays: ({ metadata }) => {
        const now = whoseOf(id, metadata)
        const isTaken = now.isOwned || now.isKept || now.mark !== mark
        return isTaken ? { code: 'OBJECT_OWNED', message: 'meanwhile it has an owner, or is to be kept' } : undefined
      },
      propagation: 'Background',
    },
  )
  if (deleted.kind !== 'refused') return undefined
  const { code = 'CLUSTER_FAILED', message = 'it was not deleted' } = deleted.outcome
  return { object: name, code, message }
}
