import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryText } from '../../cli/delivery-text.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'

const digest = `sha256:${'a'.repeat(64)}`
const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }
const text = (status: JsonObject, spec: JsonObject = {}) =>
  deliveryText(
    {
      metadata: { namespace: 'shop', name: 'shop', uid: 'u', generation: 1, resourceVersion: '1' },
      spec: { source, ...spec },
      status: { observedGeneration: 1, ...status },
    },
    new Date('2026-11-21T12:00:00Z'),
  )
const condition = (type: string, status: string, reason: string, message: string) => ({
  ...{ type, status, reason, message },
  lastTransitionTime: '2026-11-21T12:00:00Z',
})

test('who looks at a Delivery that is not ready reads what to do, stalled or tried again', () => {
  const failed = condition('Ready', 'False', 'HEALTH_FAILED', 'Job.batch shop/migrate: Failed')
  assert.match(text({ conditions: [failed] }), /^To do: +.*waybill rollback/m)
  const stalled = condition('Stalled', 'True', 'OBJECT_OWNED', 'Delete it, or set spec.adopt.')
  assert.match(text({ conditions: [failed, stalled] }), /^To do: +Delete it, or set spec.adopt.$/m)
  assert.doesNotMatch(text({ conditions: [condition('Ready', 'True', 'Applied', 'well')] }), /To do/)
})

test('what nobody delivers and what nobody could be told is said too', () => {
  const unmanaged = { at: '2026-11-21T12:00:00Z', objects: 3, listed: [], digest }
  const notified = [
    { name: 'team', sequence: 4 },
    { name: 'portal', sequence: 2, error: 'NOTIFICATION_FAILED: answers 503' },
  ]
  const told = text({ unmanaged, notified })
  assert.match(told, /^Unmanaged: 3 objects in no Delivery/m)
  assert.match(told, /^Not told: +notification portal, since record \d+: NOTIFICATION_FAILED: answers 503$/m)
  assert.doesNotMatch(told, /team/)
  assert.doesNotMatch(text({}), /Unmanaged|Not told/)
})
