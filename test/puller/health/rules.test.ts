import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { rulesOf } from '../../../puller/health/rules.ts'
import { parseDeliverySpec } from '../../../puller/kinds.ts'

const database = { group: 'example.com', version: 'v1', kind: 'Database', plural: 'databases', namespaced: true }
const expressions = {
  kind: 'Database.example.com',
  current: "status.phase == 'Running'",
  inProgress: "has(status.phase) && status.phase == 'Moving'",
  failed: "status.phase == 'Broken'",
}
const rules = rulesOf({ health: [expressions] })
const object = (status: JsonObject | undefined, generation = 1): KubeObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Database',
  metadata: { name: 'orders', generation },
  ...(status === undefined ? {} : { status }),
})
const judge = (status: JsonObject | undefined, generation?: number) =>
  rules.judge({ runsOnce: false }, object(status, generation))

test('a kind is healthy, in progress or failed as the Delivery’s expressions say', () => {
  assert.equal(judge({ phase: 'Running' }).state, 'healthy')
  assert.equal(judge({ phase: 'Moving' }).state, 'waiting')
  assert.equal(judge({ phase: 'Broken' }).state, 'failed')
  assert.equal(judge({ phase: 'Else' }).state, 'waiting')
})

test('what an expression cannot tell is waited for, and said', () => {
  const seen = judge(undefined)
  assert.equal(seen.state, 'waiting')
  assert.match(seen.state === 'waiting' ? seen.message : '', /no such field: status/)
})

test('no expression makes an older generation count', () => {
  assert.equal(judge({ phase: 'Running', observedGeneration: 1 }, 2).state, 'waiting')
  assert.equal(judge({ phase: 'Broken', observedGeneration: 1 }, 2).state, 'waiting')
})

test('a kind that has an expression is looked at, also where it is well by its existence otherwise', () => {
  const settings = { resource: { ...database, group: '', kind: 'ConfigMap' }, runsOnce: false }
  assert.equal(rules.isWatched(settings), false)
  const own = rulesOf({ health: [{ kind: 'ConfigMap', current: "data.ready == 'yes'" }] })
  assert.equal(own.isWatched(settings), true)
  assert.equal(rules.isWatched({ resource: database, runsOnce: false }), true)
})

test('a Delivery that is delivered is well once it is there, whatever it says of itself, unless an expression asks', () => {
  const kind = 'Delivery.waybill.dev'
  const delivery = {
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'Delivery',
    metadata: { name: 'waybill', generation: 1 },
    status: { conditions: [{ type: 'Reconciling', status: 'True' }] },
  }
  assert.equal(rulesOf({}).judge({ runsOnce: false }, delivery).state, 'healthy')
  const asking = rulesOf({ health: [{ kind, current: "status.conditions.exists(c, c.type == 'Ready')" }] })
  assert.equal(asking.judge({ runsOnce: false }, delivery).state, 'waiting')
})

test('an expression that does not compile is a fault of the Delivery, named with its field', () => {
  const spec = {
    source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
    health: [{ ...expressions, failed: 'status.phase ==' }],
  }
  assert.throws(() => parseDeliverySpec('shop/app', spec), {
    code: 'DELIVERY_INVALID',
    message: /spec\.health\.0\.failed: /,
  })
})

const service = (type: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'api' },
  spec: { type, clusterIP: '10.0.0.1' },
})
const kept = { runsOnce: false }

test('a Service is well as soon as it is written, unless it waits for a load balancer or has an expression', () => {
  assert.equal(rules.isSettled(kept, service('ClusterIP')), true)
  const balanced: KubeObject = {
    ...service('LoadBalancer'),
    status: { loadBalancer: { ingress: [{ ip: '10.0.0.9' }] } },
  }
  assert.equal(rules.isSettled(kept, balanced), false)
  const own = rulesOf({ health: [{ kind: 'Service', current: "spec.type == 'ClusterIP'" }] })
  assert.equal(own.isSettled(kept, service('ClusterIP')), false)
})

test('what a controller has a say in is never well by the answer to our write', () => {
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'api' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }
  assert.equal(rules.judge(kept, pod).state, 'healthy')
  assert.equal(rules.isSettled(kept, pod), false)
})
