import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Digest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { systemClock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { accountOf } from '../cluster/delivery-extra.ts'
import { listAll } from '../cluster/watch.ts'
import { ANNOTATION, type Change, recordSpecSchema } from '../kinds.ts'
import { parseDelivery, parsePolicies, TRUST_POLICIES_PATH } from '../observe.ts'
import { gather } from '../plan/gather.ts'
import { readInventory } from '../plan/inventory.ts'
import { planChanges } from '../plan/plan.ts'
import type { Refusal } from '../plan/refusal.ts'
import { ask, type Observed } from '../reconcile/ask.ts'
import { planContext } from '../reconcile/carry-out.ts'
import { HeadKeeper } from '../records/head-keeper.ts'
import { keysFrom, newPrivatePem } from '../records/keys.ts'
import { summarize } from '../records/ledger-summary.ts'
import { listRecords } from '../records/record.ts'
import type { Site } from '../site.ts'
import { readPullAccess } from '../source/secrets.ts'
import { planDigest } from './approval.ts'
import { controlOf, isMove, windowWait } from './control.ts'
import { readOnly } from './read-only.ts'

/** What would be done to the cluster now. */
export type Preview = {
  readonly digest: Digest
  readonly version?: string
  /** As the puller would call this plan. */
  readonly plan: Digest
  readonly changes: readonly Change[]
  /** Any of these: nothing would be written. */
  readonly refusals: readonly Refusal[]
  /** What a person may confirm, to have what is refused for want of it done. */
  readonly confirm?: Digest
  /** Objects whose API does not answer. */
  readonly failures: readonly Refusal[]
  /** Why it does not happen now, though nothing refuses it. */
  readonly waits: readonly string[]
}

type Place = Pick<Site, 'cache' | 'cacheBytesMax' | 'registries'> & {
  readonly nowMs: number
  readonly signal: AbortSignal
}

/**
 * Goes the puller's way up to the plan, read-only, with the rights of whoever the kubeconfig is: Resolve, Verify, Fetch, Plan. `object`: the
 * Delivery as the API server has it.
 * @throws WaybillError what refuses the release, or keeps it from being had; CLUSTER_*
 */
export async function preview(asked: Cluster, object: JsonObject, place: Place): Promise<Preview> {
  const cluster = readOnly(asked)
  const whole = parseDelivery(object)
  const control = controlOf(whole, place.nowMs)
  const { delivery } = control
  const account = accountOf(delivery)
  const observed: Observed = {
    site: await siteOf(cluster, place),
    delivery,
    account,
    access: await readPullAccess(cluster, account, delivery.spec),
    ledger: { summary: await summaryOf(cluster, delivery), append: () => Promise.reject(lookOnly()) },
    turn: { signal: place.signal, attempt: 1, askedAtMs: place.nowMs, outside: (work) => work() },
    progress: async () => {},
  }
  const found = await ask(observed)
  if (found.kind === 'not') throw new WaybillError(found.said.code, found.said.message)
  const { resolved, fetched, verified } = found
  const context = planContext({ ...observed, fetched })
  const inventory = await readInventory(cluster, context.delivery)
  const made = planChanges(
    context,
    await gather(context, fetched.objects, inventory, cluster, { signal: place.signal }),
    inventory,
  )
  const changes = withoutClaims(made.changes)
  const { records, applied } = observed.ledger.summary
  const { digest, environment, treeDigest } = { ...fetched, digest: verified.digest }
  const version = verified.release?.version ?? verified.trusted.releases.at(-1)
  const move = isMove(observed.ledger.summary, delivery, resolved)
  const wait = move ? windowWait(delivery, place.nowMs) : undefined
  return {
    digest,
    ...(version === undefined ? {} : { version }),
    plan: planDigest({ digest, environment, treeDigest, records, applied }, { changes, failures: made.failures }),
    changes,
    refusals: made.refusals,
    ...(made.refusals.length === 0 || made.asked === undefined ? {} : { confirm: made.asked.what }),
    failures: made.failures,
    waits: [
      ...(control.suspended === undefined ? [] : ['the Delivery is suspended']),
      ...(delivery.spec.sync === 'observe' ? ['sync is observe: nothing is written'] : []),
      ...(delivery.spec.sync === 'approve' && move && changes.length > 0 ? ['it waits for approval'] : []),
      ...(wait === undefined ? [] : [`it waits for a window: ${wait.until}`]),
    ],
  }
}

function lookOnly(): WaybillError {
  return new WaybillError('INTERNAL', 'a record while only looking')
}

/** Keys of its own, which sign nothing: the puller's are its own. */
async function siteOf(cluster: Cluster, { cache, cacheBytesMax, registries, nowMs, signal }: Place): Promise<Site> {
  const policies = parsePolicies((await listAll(cluster, TRUST_POLICIES_PATH, signal)).items)
  const clock = { ...systemClock, nowMs: () => nowMs }
  const keys = keysFrom(newPrivatePem(), randomBytes(32))
  return {
    cluster,
    cache,
    cacheBytesMax,
    registries,
    clock,
    keys,
    heads: new HeadKeeper(cluster, { namespace: '', publicPem: keys.publicPem, clock }),
    policies: () => policies,
    namespace: '',
    waitTimeoutMs: 0,
    log: pino({ level: 'silent' }),
  }
}

/** What the records say; whether they are genuine is for `audit`. */
async function summaryOf(cluster: Cluster, delivery: { readonly namespace: string; readonly uid: string }) {
  const records = (await listRecords(cluster, delivery))
    .flatMap(({ spec }) => {
      const parsed = recordSpecSchema.safeParse(spec)
      return parsed.success ? [parsed.data] : []
    })
    .sort((a, b) => a.sequence - b.sequence)
  return { ...summarize(records), records }
}

const CLAIM_FIELD = `metadata.annotations["${ANNOTATION.claim}"]`

/** Only the puller can make claims: that ours differ from them is no change. From whom an adoption takes an object is said all the same. */
function withoutClaims(changes: readonly Change[]): readonly Change[] {
  return changes.flatMap((change) => {
    if (change.fields?.includes(CLAIM_FIELD) !== true) return [change]
    const { manager, since: _s, operation: _o, ...rest } = change
    const from = change.action === 'adopt' && manager !== undefined ? { manager } : {}
    const fields = change.fields.filter((field) => field !== CLAIM_FIELD)
    return fields.length === 0 && change.action === 'configure' ? [] : [{ ...rest, ...from, fields }]
  })
}
