import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { digestOf } from '../../../contract/digest.ts'
import { hasCode } from '../../../contract/errors.ts'
import { type ConnectedCluster, connectCluster } from '../../../puller/cluster/cluster.ts'
import type { Change, Delivery, RecordFacts } from '../../../puller/kinds.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { auditChain } from '../../../puller/records/audit.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { readHead } from '../../../puller/records/heads.ts'
import { historyRows } from '../../../puller/records/history.ts'
import { rollback, unhold } from '../../../puller/records/hold.ts'
import { loadPullerKeys, type PullerKeys } from '../../../puller/records/keys.ts'
import { openLedger } from '../../../puller/records/ledger.ts'
import { changeList, listRecords, recordsPath } from '../../../puller/records/record.ts'
import type { DeliveryRef } from '../../../puller/records/record-head.ts'
import { type ControlPlane, field } from '../../real/control-plane.ts'
import { asPuller, PULLER_NAMESPACE, startInstalled } from '../installed.ts'
import { A, B, C, clockAt, facts } from './records-fixture.ts'

let plane: ControlPlane
let puller: ConnectedCluster
let admin: ConnectedCluster
let keys: PullerKeys
before(async () => {
  plane = await startInstalled({ controllers: true })
  puller = await asPuller(plane)
  admin = connectCluster({ kubeconfig: plane.kubeconfig })
  keys = await loadPullerKeys(puller, PULLER_NAMESPACE)
  await plane.eventually('the admission policies are in force', async () => {
    return (await plane.api('PATCH', HEADS, { body: {}, contentType: MERGE })).status === 403
  })
})
after(async () => {
  await puller?.close()
  await admin?.close()
  await plane?.stop()
})

const MERGE = 'application/merge-patch+json'
const GROUP = '/apis/waybill.dev/v1alpha1'
const OWN = `/api/v1/namespaces/${PULLER_NAMESPACE}`
const HEADS = `${OWN}/configmaps/waybill-records`
const clock = clockAt('2026-11-21T10:00:00Z')

async function newDelivery(): Promise<Delivery> {
  const namespace = await plane.freshNamespace()
  const { status, body } = await plane.api('POST', `${GROUP}/namespaces/${namespace}/deliveries`, {
    body: {
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'Delivery',
      metadata: { name: 'shop' },
      spec: { source: { repository: 'registry.example.com/acme/shop', channel: 'production' } },
    },
  })
  assert.equal(status, 201)
  assert.ok(isJsonObject(body))
  return parseDelivery(body)
}
async function reread({ namespace, name }: Delivery): Promise<Delivery> {
  const { body } = await plane.api('GET', `${GROUP}/namespaces/${namespace}/deliveries/${name}`)
  assert.ok(isJsonObject(body))
  return parseDelivery(body)
}
const keeper = () => new HeadKeeper(puller, { namespace: PULLER_NAMESPACE, publicPem: keys.publicPem, clock })
const ledgerOf = (delivery: DeliveryRef) => openLedger(puller, keys, delivery, { heads: keeper(), clock })
async function record(delivery: DeliveryRef, ...all: readonly RecordFacts[]) {
  const ledger = await ledgerOf(delivery)
  for (const one of all) await ledger.append(one)
  return ledger
}
async function audit(delivery: DeliveryRef) {
  const { head } = await readHead(admin, PULLER_NAMESPACE, delivery.uid)
  return auditChain(await listRecords(admin, delivery), { configMap: head }, keys.publicPem)
}

describe('records on a real API server', () => {
  test('come back as they were signed, whatever they hold', async () => {
    const delivery = await newDelivery()
    await record(
      delivery,
      facts('Intent', {
        digest: A,
        version: '1.0.0',
        revision: `sha1:${'a'.repeat(40)}`,
        environment: 'production',
        treeDigest: B,
        source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
        promotion: { channel: 'production', sequence: 1 },
        signers: [{ role: 'signature', authority: 'ci', policy: 'acme', key: C }],
        provenance: { builderId: 'https://ci', sourceRepository: 'https://git', ref: 'refs/heads/main' },
        policies: [{ name: 'acme', generation: 1 }],
        trigger: { type: 'spec', generation: 3, by: 'kubectl', reason: '“ü”  <&>\u2028 😀 \u0000\t' },
        changes: changeList([
          { action: 'create', object: 'Deployment.apps shop/api' },
          { action: 'configure', object: 'ConfigMap shop/é', fields: ['data["ü"]'] },
        ]),
        finishedAt: '2026-11-21T10:00:01Z',
      }),
      facts('Failed', {
        digest: A,
        intent: 1,
        error: {
          code: 'APPLY_FAILED',
          message: `${'x'.repeat(2046)}😀😀`,
          objects: [{ object: 'Job x', code: 'JOB_CHANGED', message: 'no' }],
        },
      }),
      facts('Checkpoint', { checkpoint: { through: 0, nested: { list: [1, 2.5, 'x', true, { a: {} }], none: null } } }),
    )
    const report = await audit(delivery)
    assert.deepEqual(report.faults, [])
    assert.equal(report.records, 3)
    assert.deepEqual(
      historyRows(await listRecords(admin, delivery)).map(({ kind }) => kind),
      ['Checkpoint', 'Failed', 'Intent'],
    )
  })

  test('of the largest size that is allowed are accepted', async () => {
    const delivery = await newDelivery()
    const change: Change = {
      action: 'configure',
      object: 'é'.repeat(700),
      fields: Array.from({ length: 50 }, () => 'f'.repeat(512)),
    }
    const changes = changeList(Array.from({ length: 5000 }, () => change))
    assert.equal(changes.total, 5000)
    const objects = Array.from({ length: 90 }, () => ({
      object: '😀'.repeat(700),
      code: 'OBJECT_REFUSED' as const,
      message: '😀'.repeat(600),
    }))
    await record(
      delivery,
      facts('Failed', { changes, error: { code: 'PLAN_REFUSED', message: '😀'.repeat(3000), objects } }),
    )
    assert.equal((await audit(delivery)).ok, true)
  })

  test('cannot be created twice, so that two pullers do not fork a chain', async () => {
    const delivery = await newDelivery()
    const [one, other] = [await ledgerOf(delivery), await ledgerOf(delivery)]
    await one.append(facts('Intent', { digest: A }))
    await assert.rejects(other.append(facts('Intent', { digest: B })), (error) => hasCode(error, 'CLUSTER_CONFLICT'))
    assert.equal((await audit(delivery)).records, 1)
  })
})

test('forty Deliveries of four pullers that write at a time all have their heads', async () => {
  const namespace = await plane.freshNamespace()
  const deliveries = Array.from({ length: 40 }, (_, i) => ({ namespace, name: `d${i}`, uid: crypto.randomUUID() }))
  const pullers = Array.from({ length: 4 }, keeper)
  await Promise.all(
    deliveries.map(async (delivery, i) => {
      const heads = pullers[i % pullers.length] ?? keeper()
      const ledger = await openLedger(puller, keys, delivery, { heads, clock })
      await ledger.append(facts('Intent'))
      await ledger.append(facts('Applied'))
    }),
  )
  for (const delivery of deliveries) assert.equal((await audit(delivery)).ok, true)
})

describe('a cluster admin', () => {
  const denied = async (method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) => {
    const type = method === 'PATCH' ? { contentType: MERGE } : {}
    const answer = await plane.api(method, path, { ...(body === undefined ? {} : { body }), ...type })
    assert.equal(answer.status, 403, `${method} ${path}: ${JSON.stringify(answer.body)}`)
    assert.match(String(field(answer.body, 'message')), /only the puller writes/)
  }

  test('can read records, and cannot create, edit, relabel or delete one', async () => {
    const delivery = await newDelivery()
    await record(delivery, facts('Intent', { digest: A }), facts('Applied', { digest: A, intent: 1 }))
    const path = recordsPath(delivery.namespace)
    const { body } = await plane.api('GET', path)
    const name = String(field(body, 'items', 0, 'metadata', 'name'))
    const edit = { body: { spec: { version: '9.9.9' } }, contentType: MERGE }
    assert.equal((await plane.api('PATCH', `${path}/${name}`, edit)).status, 422)
    await denied('PATCH', `${path}/${name}`, { metadata: { labels: { 'waybill.dev/delivery-uid': null } } })
    await denied('DELETE', `${path}/${name}`)
    await denied('DELETE', path)
    const spec = field(body, 'items', 0, 'spec')
    const metadata = { name: 'forged' }
    await denied('POST', path, { apiVersion: 'waybill.dev/v1alpha1', kind: 'DeliveryRecord', metadata, spec })
    assert.deepEqual((await audit(delivery)).records, 2)
  })

  test('cannot write inventories, or the status of a Delivery, and can write its spec', async () => {
    const { namespace, name } = await newDelivery()
    const delivery = `${GROUP}/namespaces/${namespace}/deliveries/${name}`
    await denied('PATCH', `${delivery}/status`, { status: { observedGeneration: 9 } })
    const inventory = { apiVersion: 'waybill.dev/v1alpha1', kind: 'DeliveryInventory', metadata: { name: 'one' } }
    const spec = { delivery: { name, uid: 'x' }, shard: 0, entries: [] }
    await denied('POST', `${GROUP}/namespaces/${namespace}/deliveryinventories`, { ...inventory, spec })
    assert.equal(
      (await plane.api('PATCH', delivery, { body: { spec: { interval: '2m' } }, contentType: MERGE })).status,
      200,
    )
  })

  test('cannot write the heads or the key, one by one or all at once, and can write what stands beside them', async () => {
    await denied('PATCH', HEADS, { data: { x: 'y' } })
    await denied('DELETE', HEADS)
    await denied('DELETE', `${OWN}/configmaps`)
    await denied('DELETE', `${OWN}/secrets/waybill-puller-key`)
    await denied('PATCH', `${OWN}/secrets/waybill-puller-key`, { data: {} })
    await denied('DELETE', `${OWN}/secrets`)
    const beside = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'beside' }, data: {} }
    assert.equal((await plane.api('POST', `${OWN}/configmaps`, { body: beside })).status, 201)
    assert.equal((await plane.api('DELETE', `${OWN}/configmaps/beside`)).status, 200)
    const { namespace } = await newDelivery()
    const elsewhere = { ...beside, metadata: { name: 'waybill-records' } }
    assert.equal(
      (await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: elsewhere })).status,
      201,
    )
    assert.equal((await loadPullerKeys(puller, PULLER_NAMESPACE)).keyDigest, keys.keyDigest)
  })

  test('can delete a namespace with records in it, and it does go', async () => {
    const delivery = await newDelivery()
    await record(delivery, facts('Applied', { digest: A }))
    const path = `/api/v1/namespaces/${delivery.namespace}`
    await plane.api('DELETE', path)
    await plane.eventually('the namespace is gone', async () => (await plane.api('GET', path)).status === 404, 60_000)
    assert.equal((await audit(delivery)).faults[0]?.kind, 'truncated')
  })
})

test('even with all rights the puller’s own account cannot change a record, or whose an inventory is', async () => {
  const { namespace, name } = await newDelivery()
  await record(await reread({ ...(await newDelivery()), namespace, name }), facts('Applied', { digest: A }))
  const role = await plane.freshNamespace('all')
  await plane.runKubectl([
    'create',
    'clusterrolebinding',
    role,
    '--clusterrole=cluster-admin',
    `--serviceaccount=${PULLER_NAMESPACE}:waybill-puller`,
  ])
  const [object] = await listAll(namespace)
  const path = `${recordsPath(namespace)}/${String(field(object, 'metadata', 'name'))}`
  const patch = async (at: string, body: object) => {
    const answer = await puller.request('puller', {
      method: 'PATCH',
      path: at,
      contentType: MERGE,
      body: JSON.parse(JSON.stringify(body)),
    })
    return [answer.status, String(answer.body.message)] as const
  }
  try {
    const edited = await plane.eventually('the rights are in force', async () => {
      const answer = await patch(path, { spec: { version: '9.9.9' } })
      return answer[0] === 403 ? undefined : answer
    })
    assert.equal(edited[0], 422)
    assert.match(edited[1], /a record does not change/)
    assert.match((await patch(path, { spec: null }))[1], /spec: Required/)
    const inventories = `${GROUP}/namespaces/${namespace}/deliveryinventories`
    const inventory = { apiVersion: 'waybill.dev/v1alpha1', kind: 'DeliveryInventory', metadata: { name: 'one' } }
    const spec = { delivery: { name, uid: 'x' }, shard: 0, entries: [] }
    const made = await puller.request('puller', { method: 'POST', path: inventories, body: { ...inventory, spec } })
    assert.equal(made.status, 201)
    assert.match(
      (await patch(`${inventories}/one`, { spec: { delivery: { uid: 'y' } } }))[1],
      /stays with its Delivery/,
    )
    assert.match((await patch(`${inventories}/one`, { spec: { shard: 1 } }))[1], /does not change/)
    const entries = [{ group: '', kind: 'ConfigMap', namespace, name: 'a', state: 'pending' }]
    assert.equal((await patch(`${inventories}/one`, { spec: { entries } }))[0], 200)
  } finally {
    await plane.runKubectl(['delete', 'clusterrolebinding', role])
  }
})

async function listAll(namespace: string): Promise<readonly unknown[]> {
  const items = field((await plane.api('GET', recordsPath(namespace))).body, 'items')
  return Array.isArray(items) ? items : []
}

describe('going back', () => {
  const history = [
    facts('Applied', { digest: A, version: '1.0.0' }),
    facts('Applied', { digest: B, version: '1.1.0' }),
    facts('Unchanged', { digest: C, version: '1.2.0' }),
    facts('Refused', { digest: digestOf('d'), error: { code: 'SIGNATURE_MISSING', message: 'none' } }),
  ]

  test('by digest sets a hold that says why, and lifting it takes it away', async () => {
    const delivery = await newDelivery()
    await record(delivery, ...history)
    assert.deepEqual(await rollback(admin, delivery, { to: A }, { reason: 'it broke' }), {
      digest: A,
      version: '1.0.0',
    })
    const held = await reread(delivery)
    assert.deepEqual(held.spec.hold, { digest: A, reason: 'it broke' })
    assert.equal(held.specEditedBy?.manager, 'waybill-rollback')
    assert.deepEqual(await unhold(admin, held, { at: new Date() }), { lifted: A })
    const free = await reread(delivery)
    assert.equal(free.spec.hold, undefined)
    await assert.rejects(unhold(admin, free, { at: new Date() }), (error) => hasCode(error, 'HOLD_MISSING'))
  })

  test('by steps counts releases that were applied', async () => {
    const delivery = await newDelivery()
    await record(delivery, ...history)
    assert.equal((await rollback(admin, delivery, { steps: 1 }, {})).digest, B)
    assert.equal((await rollback(admin, await reread(delivery), { steps: 1 }, {})).digest, A)
    await assert.rejects(rollback(admin, await reread(delivery), { steps: 1 }, {}), (error) =>
      hasCode(error, 'ROLLBACK_TARGET'),
    )
  })

  test('to what was never applied is refused, and nothing is changed', async () => {
    const delivery = await newDelivery()
    await record(delivery, ...history)
    await assert.rejects(rollback(admin, delivery, { to: digestOf('d') }, {}), (error) =>
      hasCode(error, 'ROLLBACK_TARGET'),
    )
    assert.equal((await reread(delivery)).resourceVersion, delivery.resourceVersion)
  })

  test('does not write over what somebody edited at the same time', async () => {
    const delivery = await newDelivery()
    await record(delivery, ...history)
    const path = `${GROUP}/namespaces/${delivery.namespace}/deliveries/${delivery.name}`
    await plane.api('PATCH', path, { body: { spec: { interval: '3m' } }, contentType: MERGE })
    await assert.rejects(rollback(admin, delivery, { to: A }, {}), (error) => hasCode(error, 'CLUSTER_CONFLICT'))
    assert.equal((await reread(delivery)).spec.hold, undefined)
  })
})
