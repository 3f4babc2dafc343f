import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import type { Cluster, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { readExport, unsavedLines } from '../../../puller/records/export.ts'
import { isWaybills, type Place } from '../../../puller/uninstall/parts.ts'
import type { Survey } from '../../../puller/uninstall/survey.ts'
import { uninstall } from '../../../puller/uninstall/uninstall.ts'
import { FakeClock } from '../fake-clock.ts'

const labels = { 'app.kubernetes.io/part-of': 'waybill' }
const is = (kind: string, where: Place['where'], name: string, more: JsonObject = {}) =>
  isWaybills({ kind, where }, { metadata: { name }, ...more })
const labelled = (name: string): JsonObject => ({ metadata: { name, labels } })

test('what is Waybill’s is known by the label and a name of its own, or by the names of earlier installs', () => {
  assert.equal(is('ClusterRole', 'cluster', 'waybill-self-update', labelled('waybill-self-update')), true)
  assert.equal(is('ClusterRole', 'cluster', 'waybill-puller'), true)
  assert.equal(is('ClusterRole', 'cluster', 'waybill-of-somebody'), false)
  assert.equal(is('Service', 'own', 'dashboards', labelled('dashboards')), false, 'anybody may set the label')
  assert.equal(is('Secret', 'own', 'waybill-login', labelled('waybill-login')), false, 'people make Secrets')
  assert.equal(is('Secret', 'own', 'waybill-puller-key'), true)
  assert.equal(is('ConfigMap', 'own', 'waybill-ca', labelled('waybill-ca')), true)
  assert.equal(is('ConfigMap', 'own', 'waybill-ca'), false, 'somebody else made it')
  assert.equal(is('Lease', 'own', 'waybill-puller-0123456789'), true)
  assert.equal(is('CustomResourceDefinition', 'cluster', 'a.waybill.dev', { spec: { group: 'waybill.dev' } }), true)
  assert.equal(is('CustomResourceDefinition', 'cluster', 'a.example.com', { spec: { group: 'example.com' } }), false)
})

test('of a tenant only the right to act as its account is, not a role of the tenant’s that is called so', () => {
  const rule = (name: string) => ({
    resources: ['serviceaccounts'],
    resourceNames: [name],
    verbs: ['get', 'impersonate'],
  })
  const roles = (...rules: JsonObject[]) =>
    is('Role', 'all', 'waybill-puller-shop', { ...labelled('waybill-puller-shop'), rules })
  assert.equal(roles(rule('shop')), true)
  assert.equal(roles(rule('other')), false)
  assert.equal(roles(rule('shop'), { resources: ['pods'], verbs: ['get'] }), false)
  assert.equal(is('Role', 'all', 'waybill', labelled('waybill')), false)
  const binding = (...subjects: JsonObject[]) =>
    is('RoleBinding', 'all', 'waybill-puller-shop', {
      roleRef: { kind: 'Role', name: 'waybill-puller-shop' },
      subjects,
    })
  const puller = { kind: 'ServiceAccount', namespace: 'waybill-system', name: 'waybill-puller' }
  assert.equal(binding(puller), true)
  assert.equal(binding({ kind: 'User', name: 'puller@example.com' }), true)
  assert.equal(binding({ ...puller, name: 'shop' }), false)
  assert.equal(binding(puller, { kind: 'Group', name: 'team' }), false)
})

test('what cannot be removed is named, with what is left to do, and that running it again goes on', async () => {
  const crds = {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    plural: 'crds',
    namespaced: false,
  }
  const target = { resource: crds, namespace: '', name: 'deliveries.waybill.dev', uid: 'u', isDelivered: false }
  const none = { puller: [], rights: [], policies: [], rest: [] }
  const found: Survey = {
    namespace: 'system',
    targets: { ...none, kinds: [target], namespace: [{ ...target, name: 'system' }] },
    deliveries: [
      {
        name: 'app',
        namespace: 'shop',
        uid: 'd',
        resourceVersion: '5',
        generation: 1,
        annotations: {},
        labels: {},
        status: {},
        finalizers: ['waybill.dev/removal', 'else'],
        deletes: true,
      },
    ],
    policies: 0,
    records: 0,
  }
  const asked: ClusterRequest[] = []
  const cluster: Cluster = {
    request: async (_as, request) => {
      asked.push(request)
      return { status: 200, body: {} }
    },
    watch: async function* () {},
    resource: async () => undefined,
  }
  const clock = new FakeClock()
  const saveRecords = async () => {}
  const over = assert.rejects(uninstall(found, { cluster, clock, saveRecords, progress: () => {} }), (error: Error) => {
    assert.ok('hint' in error && 'code' in error)
    assert.equal(error.code, 'UNINSTALL_UNFINISHED')
    assert.match(
      error.message,
      /still there: CustomResourceDefinition\.apiextensions\.k8s\.io deliveries\.waybill\.dev/,
    )
    assert.match(error.message, /left to do: removing the kinds.*removing the puller’s namespace/)
    assert.match(String(error.hint), /Running it again, with --puller-namespace system, goes on/)
    return true
  })
  await clock.runUntil(300_000)
  await over
  // The Delivery deletes nothing from now on, and is let go of, before its kind is deleted.
  const changes = asked.filter(({ method }) => method !== 'GET').slice(0, 3)
  assert.deepEqual(changes.map(({ method, body }) => [method, body]).slice(0, 2), [
    ['PATCH', { metadata: { uid: 'd' }, spec: { deletion: 'orphan' } }],
    ['PATCH', { metadata: { uid: 'd', resourceVersion: '5', finalizers: ['else'] } }],
  ])
  assert.deepEqual(asked.find(({ method }) => method === 'DELETE')?.body, {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid: 'u' },
    propagationPolicy: 'Background',
  })
})

const line = (uid: string, sequence: number, namespace = 'shop') =>
  JSON.stringify({
    record: {
      name: `r${sequence}`,
      namespace,
      uid,
      spec: { delivery: { namespace, name: 'app', uid }, startedAt: `2026-01-0${sequence}` },
    },
  })
const HEADER = JSON.stringify({ format: 'waybill.dev/records.v1', key: 'pem', heads: { b: '{}' } })
const living = JSON.stringify({ delivery: { namespace: 'shop', name: 'app', uid: 'a' } })

test('saved records are those of the Delivery that was there, or else of the newest of that name', () => {
  const lines = [HEADER, living, line('a', 1), line('b', 2)]
  assert.equal(readExport(lines, { name: 'app' }).delivery.uid, 'a')
  assert.equal(readExport([HEADER, line('a', 1), line('b', 2)], { name: 'app' }).delivery.uid, 'b')
  const gone = readExport(lines, { name: 'app', uid: 'b' })
  assert.deepEqual([gone.key, gone.records.map(({ name }) => name), gone.heads.get('b')], ['pem', ['r2'], '{}'])
  assert.throws(() => readExport(lines, { name: 'web' }), { code: 'CLUSTER_NOT_FOUND' })
  assert.throws(() => readExport([...lines, line('c', 3, 'web')], { name: 'app' }), { code: 'USAGE' })
  for (const bad of [[], ['{}'], [HEADER, '[]'], [HEADER, '']])
    assert.throws(() => readExport(bad, { name: 'app' }), { code: 'FILE_UNREADABLE' })
})

test('a file that holds every record that is still there need not be written again; one that lacks any is not enough', () => {
  const lines = [HEADER, line('a', 1), line('a', 2)]
  assert.deepEqual(unsavedLines([...lines, line('a', 3)], lines), [])
  assert.deepEqual(unsavedLines(lines.slice(0, 2), lines), [line('a', 2)])
})
