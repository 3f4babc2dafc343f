import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type DeliveryStatus, recordSpecSchema } from '../../../puller/kinds.ts'
import { apiCall } from '../../../puller/metrics/api-path.ts'
import { createMetrics } from '../../../puller/metrics/metrics.ts'
import { A, B, chainOf, facts, newKeys } from '../records/records-fixture.ts'

const metrics = () => createMetrics(() => ({ cpuSeconds: 1.5, residentBytes: 1024 }))
const lines = async (of: ReturnType<typeof metrics>, name: string) =>
  (await of.render()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))

test('a request is known by its verb and its resource, never by a name', () => {
  const calls = {
    'GET /api/v1/namespaces/shop/pods': 'list pods false',
    'GET /api/v1/namespaces/shop/pods?watch=1': 'watch pods false',
    'GET /api/v1/namespaces/shop': 'get namespaces false',
    'GET /api/v1/namespaces': 'list namespaces false',
    'PATCH /apis/apps/v1/namespaces/shop/deployments/api?dryRun=All': 'patch deployments.apps true',
    'PATCH /apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/app/status':
      'patch deliveries.waybill.dev/status false',
    'DELETE /apis/rbac.authorization.k8s.io/v1/clusterroles/x': 'delete clusterroles.rbac.authorization.k8s.io false',
    'GET /apis/apps/v1': 'get other false',
    'GET /openapi/v3': 'get other false',
  }
  for (const [line, expected] of Object.entries(calls)) {
    const [method = '', path = ''] = line.split(' ')
    const { verb, resource, dryRun } = apiCall(method, path)
    assert.equal(`${verb} ${resource} ${dryRun}`, expected)
  }
})

test('however many kinds there are, the number of series is bounded', async () => {
  const all = metrics()
  for (let i = 0; i < 1_000; i++)
    all.observe({ kind: 'api-request', method: 'GET', path: `/apis/g/v1/kind${i}/x`, status: 200, seconds: 0.01 })
  assert.equal((await lines(all, 'waybill_api_requests_total')).length, 101)
  const objects = Array.from({ length: 150 }, (_, i) => ({ action: 'configure' as const, object: `Kind${i}.g shop/a` }))
  const [record] = chainOf(newKeys(), [
    facts('DriftCorrected', { changes: { total: 150, digest: A, listed: objects } }),
  ]).map(({ spec }) => recordSpecSchema.parse(spec))
  if (record !== undefined) all.observe({ kind: 'record', record })
  assert.equal((await lines(all, 'waybill_drift_total')).length, 101)
})

const status = (more: Partial<DeliveryStatus>): DeliveryStatus => ({
  conditions: [{ type: 'Ready', status: 'True', reason: 'r', message: 'm', lastTransitionTime: 't' }],
  applied: { digest: A, version: '1.0.0', at: '2026-11-21T10:00:00Z' },
  ...more,
})

test('a new release leaves no series of the old one behind, and a Delivery that is gone leaves none at all', async () => {
  const all = metrics()
  all.observe({ kind: 'delivery', id: 'shop/app', status: status({}) })
  all.observe({ kind: 'delivery', id: 'shop/other', status: status({}) })
  const applied = { digest: B, version: '2.0.0', at: '2026-11-21T11:00:00Z' }
  all.observe({
    kind: 'delivery',
    id: 'shop/app',
    status: status({ applied, drift: { at: 't', objects: 2, listed: [] } }),
  })
  const info = await lines(all, 'waybill_delivery_info')
  assert.deepEqual(info.map((line) => /version="([^"]*)"/.exec(line)?.[1]).sort(), ['1.0.0', '2.0.0'])
  const [at] = (await lines(all, 'waybill_delivery_applied_timestamp_seconds')).filter((line) => line.includes('"app"'))
  assert.ok(at?.endsWith(` ${Date.parse('2026-11-21T11:00:00Z') / 1000}`))
  assert.match((await lines(all, 'waybill_delivery_drifted_objects')).join('\n'), /name="app"\} 2/)
  all.observe({ kind: 'delivery-gone', id: 'shop/app' })
  assert.ok(!(await all.render()).includes('name="app"'))
  assert.ok((await all.render()).includes('name="other"'))
})

test('names follow the conventions of Prometheus: units and totals at the end, every series with its help', async () => {
  const all = metrics()
  const text = await all.render()
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }))
  assert.ok(types.length > 15)
  for (const { name, type } of types) {
    assert.match(name, /^(?:waybill|process)_[a-z_]+$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    if (type === 'histogram') assert.ok(name.endsWith('_seconds'), name)
    assert.ok(text.includes(`# HELP ${name} `), name)
  }
})

test('the guide says of every series what it means', async () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/guides/observing.md'), 'utf8')
  for (const [, name = ''] of (await metrics().render()).matchAll(/^# TYPE (\S+)/gm))
    assert.ok(guide.includes(`\`${name}\``), name)
})

test('what the process uses and how long the queue is are read when somebody asks', async () => {
  const all = metrics()
  let waiting = 1
  all.watchQueue(() => ({ waiting, running: 2 }))
  assert.deepEqual(await lines(all, 'waybill_queue_waiting'), ['waybill_queue_waiting 1'])
  waiting = 5
  assert.deepEqual(await lines(all, 'waybill_queue_waiting'), ['waybill_queue_waiting 5'])
  assert.deepEqual(await lines(all, 'process_cpu_seconds_total'), ['process_cpu_seconds_total 1.5'])
})
