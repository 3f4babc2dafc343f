import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterApproval, afterUnhold } from '../../../puller/control/comes-next.ts'
import { parseDeliverySpec } from '../../../puller/kinds.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')
const source = { repository: 'registry.example.com/acme/shop', channel: 'production' }
const windows = (start: string) => ({ windows: [{ kind: 'allow', start, duration: '1h' }] })
const closed = windows('0 18 * * *')
const said = (next: typeof afterUnhold, spec: object) =>
  next({ namespace: 'team', name: 'shop', spec: parseDeliverySpec('shop', { source, ...spec }) }, NOW).join('\n')

test('who lifts a hold learns whether the next release waits for approval, for a window and until when, or for a suspension to end', () => {
  assert.equal(said(afterUnhold, {}), '')
  assert.equal(said(afterUnhold, windows('0 12 * * *')), '')
  assert.match(said(afterUnhold, { sync: 'approve' }), /waits for approval \(`waybill plan shop -n team`\)/)
  assert.match(said(afterUnhold, closed), /waits for a window: the next opens at 2026-11-21T18:00:00Z\.$/)
  assert.match(said(afterUnhold, { sync: 'approve', ...closed }), /for approval .*\n.*for a window/)
  assert.match(
    said(afterUnhold, { suspend: { until: '2026-11-21T13:00:00Z' } }),
    /suspended until 2026-11-21T13:00:00Z/,
  )
  assert.equal(said(afterUnhold, { suspend: { until: '2026-11-21T12:00:00Z' } }), '', 'that is over')
  assert.equal(said(afterUnhold, { sync: 'observe', ...closed }), 'Its sync is observe: nothing is written.')
})

test('who approves learns when it goes out, and that a plan may go stale until then', () => {
  assert.equal(said(afterApproval, { sync: 'approve' }), '')
  const later = said(afterApproval, { sync: 'approve', ...closed })
  assert.match(later, /^It waits for a window: the next opens at 2026-11-21T18:00:00Z\. If .* stale .* asks again\.$/)
  const both = said(afterApproval, { sync: 'approve', ...closed, suspend: {} })
  assert.match(both, /^It is suspended, and goes out when it is resumed \(`waybill resume shop -n team`\)\.\nIt waits/)
})
