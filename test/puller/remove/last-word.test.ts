import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../../puller/cluster/cluster-port.ts'
import { API_VERSION, FINALIZER, LABELS } from '../../../puller/kinds.ts'
import { inventoriesPath } from '../../../puller/plan/inventory.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { recordsPath } from '../../../puller/records/record.ts'
import { forgetDeparted } from '../../../puller/remove/departed.ts'
import { removeDelivery } from '../../../puller/remove/remove.ts'
import type { Finding } from '../../../puller/say/status.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, clockAt, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const clock = clockAt('2026-11-21T10:00:00Z')

/** Lists every inventory, and takes dry runs, too. */
class Here extends FakeCluster {
  override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    if (request.query?.dryRun === 'All') return { status: 201, body: {} }
    if (request.path !== inventoriesPath()) return super.request(as, request)
    const items = [...this.objects].flatMap(([path, object]) =>
      path.includes('/deliveryinventories/') ? [object] : [],
    )
    return { status: 200, body: { items } }
  }
}

/** A Delivery with one object, for which unmanaged objects were removed last. */
async function afterUnmanaged() {
  const cluster = new Here()
  const site = {
    cluster,
    clock,
    keys,
    heads: new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock }),
    log: pino({ level: 'silent' }),
  }
  const { namespace, name, uid } = DELIVERY
  await cluster.request('puller', {
    method: 'POST',
    path: inventoriesPath(namespace),
    body: {
      apiVersion: API_VERSION,
      kind: 'DeliveryInventory',
      metadata: { name: 'api-0', namespace, labels: { [LABELS.deliveryUid]: uid } },
      spec: {
        delivery: { name, uid },
        shard: 0,
        entries: [{ group: '', kind: 'ConfigMap', namespace, name: 'mine', uid: 'u', state: 'created' }],
      },
    },
  })
  const ledger = await openLedger(cluster, keys, DELIVERY, site)
  await ledger.append(facts('Intent', { digest: A }))
  await ledger.append(facts('Applied', { digest: A, intent: 1 }))
  const trigger = { type: 'drift', generation: 1, reason: 'unmanaged objects' } as const
  await ledger.append(facts('Intent', { trigger }))
  await ledger.append(facts('Removed', { trigger, intent: 3 }))
  const inventories = () => [...cluster.objects.keys()].filter((path) => path.includes('/deliveryinventories/'))
  return { cluster, site, inventories }
}

/** Looks at the Delivery as one that is being deleted; the account that it is to be done as is not there. `log`: writes, and when others work. */
async function removal({ site, cluster }: Awaited<ReturnType<typeof afterUnmanaged>>, isOver: boolean) {
  const said: string[] = []
  const log: string[] = []
  cluster.onWrite = (line) => void log.push(line.split('/').at(-1) ?? '')
  const object = {
    metadata: {
      ...DELIVERY,
      resourceVersion: '1',
      finalizers: [FINALIZER],
      deletionTimestamp: '2026-11-21T10:00:00Z',
    },
    spec: { deletion: 'delete' },
  }
  const turn = {
    signal: new AbortController().signal,
    attempt: 1,
    askedAtMs: 0,
    outside: async <T>(work: () => Promise<T>): Promise<T> => {
      log.push('leaves')
      return work().finally(() => log.push('comes back'))
    },
  }
  const report = async ({ ready }: { ready: Finding['ready'] }) => {
    said.push(ready.reason)
    return ready
  }
  const { next } = await removeDelivery(site, object, turn, report, { isOver, until: '2026-11-21T10:10:00Z' })
  return { said, next, log }
}

test('a Delivery that had unmanaged objects removed last is not let go before its own objects are', async () => {
  const here = await afterUnmanaged()
  const { said, next } = await removal(here, false)
  assert.deepEqual([said, next.kind], [['ACCOUNT_MISSING'], 'after'])
  assert.equal(here.inventories().length, 1)
})

test('the last word is written while others have the place to work in', async () => {
  const { log } = await removal(await afterUnmanaged(), true)
  const at = log.indexOf('deliveryrecords')
  assert.deepEqual(log.slice(at - 1, at + 3), ['leaves', 'deliveryrecords', 'waybill-records', 'comes back'])
})

test('what it leaves behind is recorded, though unmanaged objects were removed last', async () => {
  const { cluster, site, inventories } = await afterUnmanaged()
  await forgetDeparted(site, new Set())
  const records = [...cluster.objects].flatMap(([path, { spec }]) =>
    path.startsWith(`${recordsPath(DELIVERY.namespace)}/`) && isJsonObject(spec) ? [spec] : [],
  )
  const newest = records.sort((a, b) => Number(a.sequence) - Number(b.sequence)).at(-1)
  assert.deepEqual([newest?.kind, newest?.sequence], ['Removed', 5])
  assert.match(JSON.stringify(newest), /ConfigMap shop\/mine/)
  assert.deepEqual(inventories(), [])
})
