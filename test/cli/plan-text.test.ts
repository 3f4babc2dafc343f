import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeLines } from '../../cli/plan-text.ts'

test('a plan says from whom an object is taken over, and nothing of the kind of what is only changed', () => {
  const manager = 'kubectl-client-side-apply'
  const listed = (['adopt', 'configure'] as const).map((action) => ({ action, object: 'ConfigMap shop/a', manager }))
  assert.deepEqual(changeLines({ total: 2, listed }), [
    `~   adopt ConfigMap shop/a from ${manager}`,
    '~   configure ConfigMap shop/a',
  ])
})
