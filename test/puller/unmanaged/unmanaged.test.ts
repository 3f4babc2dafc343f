import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import type { ClusterAnswer, ClusterRequest, Identity } from '../../../puller/cluster/cluster-port.ts'
import { ANNOTATION, LABELS } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { inventoriesPath } from '../../../puller/plan/inventory.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { whoseOf } from '../../../puller/unmanaged/list.ts'
import { lookAtUnmanaged } from '../../../puller/unmanaged/unmanaged.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, clockAt, DELIVERY, facts, newKeys } from '../records/records-fixture.ts'

const keys = newKeys()
const clock = clockAt('2026-11-21T10:00:00Z')
const accounts = '/api/v1/namespaces/shop/serviceaccounts'
const maps = '/api/v1/namespaces/shop/configmaps'

/** A cluster that knows ConfigMaps, and holds deletes to their preconditions. */
class Here extends FakeCluster {
  beforeDelete: () => void = () => undefined
  put(name: string, metadata: JsonObject = {}): void {
    const whole = { name, namespace: 'shop', uid: `uid-${name}`, resourceVersion: '1', ...metadata }
    this.objects.set(`${maps}/${name}`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: whole })
  }
  override async request(as: Identity, request: ClusterRequest): Promise<ClusterAnswer> {
    const { method, path, body } = request
    if (path === '/apis' || path === inventoriesPath()) return { status: 200, body: { items: [] } }
    if (path === '/api') return { status: 200, body: { items: [CORE] } }
    const here = [...this.objects].filter(([at]) => at.startsWith(`${maps}/`))
    if (path === accounts)
      return {
        status: 200,
        body: { items: ['neighbour', 'stranger'].map((name) => ({ metadata: { name, uid: name } })) },
      }
    if (path === maps) return { status: 200, body: { items: here.map(([, object]) => object) } }
    if (method !== 'DELETE') return super.request(as, request)
    this.beforeDelete()
    const metadata = this.objects.get(path)?.metadata
    const wanted = isJsonObject(body) && isJsonObject(body.preconditions) ? body.preconditions : {}
    if (isJsonObject(metadata) && Object.entries(wanted).some(([name, value]) => metadata[name] !== value))
      return { status: 409, body: { reason: 'Conflict' } }
    return super.request(as, request)
  }
}

const CORE = {
  metadata: {},
  versions: [
    {
      version: 'v1',
      resources: [
        ['configmaps', 'ConfigMap'],
        ['serviceaccounts', 'ServiceAccount'],
      ].map(([resource = '', kind = '']) => ({
        resource,
        responseKind: { kind },
        scope: 'Namespaced',
        verbs: ['list', 'delete'],
      })),
    },
  ],
}

async function world() {
  const cluster = new Here()
  const heads = new HeadKeeper(cluster, { namespace: 'waybill-system', publicPem: keys.publicPem, clock })
  const ledger = await openLedger(cluster, keys, DELIVERY, { heads, clock })
  const look = async (confirmed = '', { withAccounts = false } = {}) => {
    const delivery = parseDelivery({
      metadata: { ...DELIVERY, resourceVersion: '1', annotations: { [ANNOTATION.confirm]: confirmed } },
      spec: {
        source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
        unmanaged: { namespaces: ['shop'], policy: 'delete', ignore: withAccounts ? [] : [{ kind: 'ServiceAccount' }] },
      },
    })
    const account = { namespace: 'shop', serviceAccount: 'waybill' }
    const { signal } = new AbortController()
    const deliveries = () => [
      { metadata: { namespace: 'shop' }, spec: { serviceAccountName: 'neighbour', source: {} } },
      { metadata: { namespace: 'else' }, spec: { serviceAccountName: 'stranger', source: {} } },
    ]
    const { unmanaged } = await lookAtUnmanaged({
      site: { cluster, clock, deliveries },
      delivery,
      account,
      ledger,
      signal,
    })
    return { listed: unmanaged?.listed, digest: unmanaged?.digest ?? '' }
  }
  const left = () =>
    [...cluster.objects.keys()].filter((path) => path.startsWith(`${maps}/`)).map((at) => at.slice(maps.length + 1))
  return { cluster, ledger, look, left }
}

test('what somebody took after it was listed is not deleted; what only changed is', async () => {
  const { cluster, ledger, look, left } = await world()
  for (const name of ['adopted', 'busy', 'kept', 'owned', 'plain']) cluster.put(name)
  const { digest } = await look()
  const resourceVersion = '2'
  cluster.beforeDelete = () => {
    cluster.beforeDelete = () => undefined
    cluster.put('adopted', { resourceVersion, labels: { [LABELS.partOf]: 'applyset-of-another' } })
    cluster.put('busy', { resourceVersion, labels: { x: 'y' } })
    cluster.put('kept', { resourceVersion, annotations: { 'waybill.dev/prune': 'never' } })
    cluster.put('owned', { resourceVersion, ownerReferences: [{ kind: 'Job', name: 'j', uid: 'x' }] })
  }
  await look(digest)
  assert.deepEqual(left(), ['adopted', 'kept', 'owned'])
  const { kind, error } = ledger.summary.records.at(-1) ?? {}
  assert.deepEqual([kind, error?.code, error?.objects?.length], ['Removed', 'REMOVAL_INCOMPLETE', 3])
})

test('what is annotated to be kept is told of, and stays', async () => {
  const { cluster, look, left } = await world()
  cluster.put('kept', { annotations: { 'waybill.dev/prune': 'never' } })
  cluster.put('plain')
  const { listed, digest } = await look()
  assert.deepEqual(listed, ['ConfigMap shop/kept', 'ConfigMap shop/plain'])
  await look(digest)
  assert.deepEqual(left(), ['kept'])
})

test('a removal that the puller was stopped in gets its outcome, and what is left can be confirmed again', async () => {
  const { cluster, ledger, look, left } = await world()
  await ledger.append(facts('Intent', { digest: A }))
  await ledger.append(facts('Applied', { digest: A, intent: 1 }))
  for (const name of ['a', 'b']) cluster.put(name)
  const { digest } = await look()
  cluster.beforeDelete = () => {
    throw new Error('killed')
  }
  await assert.rejects(look(digest), /killed/)
  cluster.beforeDelete = () => undefined
  assert.equal(ledger.summary.openIntent?.kind, 'Intent')
  cluster.objects.delete(`${maps}/a`)
  const again = await look(digest)
  const { kind, error } = ledger.summary.records.at(-1) ?? {}
  assert.deepEqual([kind, error?.code, ledger.summary.openIntent], ['Removed', 'REMOVAL_INCOMPLETE', undefined])
  await look(again.digest)
  assert.deepEqual(left(), [])
})

test('the volume claim of a StatefulSet, which has no owner, is its own; one that a person made is not, though it was bound', () => {
  const held = (manager: string, fieldsV1: JsonObject) => ({
    manager,
    operation: 'Update',
    fieldsType: 'FieldsV1',
    fieldsV1,
  })
  const declared = { 'f:spec': { 'f:accessModes': {}, 'f:resources': {} } }
  const bound = held('kube-controller-manager', { 'f:spec': { 'f:volumeName': {} } })
  const claim = { group: '', kind: 'PersistentVolumeClaim' }
  const isOwned = (managedFields: JsonObject[], of = claim) => whoseOf(of, { managedFields }).isOwned
  assert.equal(isOwned([held('kube-controller-manager', declared), bound]), true)
  assert.equal(isOwned([held('kubectl-create', declared), bound]), false)
  assert.equal(isOwned([held('kube-controller-manager', declared)], { group: '', kind: 'ConfigMap' }), false)
})

test('what Deliveries need is left out in their own namespaces, and there alone', async () => {
  const { look } = await world()
  assert.deepEqual((await look('', { withAccounts: true })).listed, ['ServiceAccount shop/stranger'])
})
