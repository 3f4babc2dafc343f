import type { JsonObject } from '../../contract/canonical-json.ts'
import { checkAccount } from '../cluster/access.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import { accountOf } from '../cluster/delivery-extra.ts'
import type { Delivery } from '../kinds.ts'
import type { Turn } from '../loop/queue.ts'
import type { Said } from '../message.ts'
import { parseDelivery } from '../observe.ts'
import { fetchHere, refusalOf, verifyHere } from '../reconcile/ask.ts'
import { auditChain } from '../records/audit.ts'
import { readPublicPem } from '../records/keys.ts'
import type { Ledger, LedgerSummary } from '../records/ledger.ts'
import { summarize } from '../records/ledger-summary.ts'
import { listRecords } from '../records/record.ts'
import type { Site } from '../site.ts'
import { readPullAccess } from '../source/secrets.ts'
import { type Held, heldOf } from './held.ts'

/** What a standby works with: a cluster that refuses writes, a cache of its own, no keys. */
export type StandbySite = Pick<
  Site,
  'cluster' | 'clock' | 'cache' | 'cacheBytesMax' | 'registries' | 'policies' | 'namespace'
> & {
  readonly log: Pick<Site['log'], 'info' | 'warn'>
}

/**
 * Verifies and fetches what a Delivery may need, as its account and by the policies as they are now, into this replica's own
 * cache, and says what cannot be held ready. Writes nothing to the cluster. `known` is what was held already; what is held now is added.
 * @throws WaybillError DELIVERY_INVALID, ACCOUNT_*, SECRET_INVALID, CLUSTER_*
 */
export async function warm(
  site: StandbySite,
  object: JsonObject,
  turn: Turn,
  known: Set<string>,
): Promise<readonly Said[]> {
  const delivery = parseDelivery(object)
  const summary = await believedOf(site.cluster, site.namespace, delivery)
  const wanted = heldOf(delivery, summary).filter((held) => !known.has(keyOf(held)))
  if (wanted.length === 0) return []
  const account = accountOf(delivery)
  await checkAccount(site.cluster, account)
  const access = await readPullAccess(site.cluster, account, delivery.spec)
  const ledger: Pick<Ledger, 'summary'> = { summary }
  const missed: Said[] = []
  for (const held of wanted) {
    if (turn.signal.aborted) return missed
    try {
      const verified = await verifyHere({ site, delivery, access, ledger, turn }, held.target, { ordered: false })
      await fetchHere({ site, delivery, access, ledger, turn }, verified, held.environment)
      known.add(keyOf(held))
    } catch (error) {
      missed.push(refusalOf(error))
    }
  }
  return missed
}

function keyOf({ target, environment }: Held): string {
  return `${target.repository.repository} ${target.digest} ${environment}`
}

/** What the records say, as whoever audits them reads them: by the public half of the key, moving no head. */
async function believedOf(cluster: Cluster, namespace: string, delivery: Delivery): Promise<LedgerSummary> {
  const publicPem = await readPublicPem(cluster, namespace)
  const named = publicPem === undefined ? [] : await listRecords(cluster, delivery)
  const records = publicPem === undefined ? [] : auditChain(named, {}, publicPem, delivery).believed
  return { ...summarize(records), records }
}
