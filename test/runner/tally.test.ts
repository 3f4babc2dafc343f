import assert from 'node:assert/strict'
import { test } from 'node:test'
import { count, hasFailed, headline, skippedFile, summary } from './tally.ts'

test('a file that was not run counts as skipped, neither as passed nor as failed, and says why', () => {
  const result = skippedFile('test/a.cluster.test.ts', 'a node needs root')
  const totals = { passed: 0, failed: 0, skipped: 0 }
  count(result, totals)
  assert.equal(headline(result), '- test/a.cluster.test.ts: skipped: a node needs root\n')
  assert.equal(hasFailed(result), false)
  assert.equal(summary(totals), '0 passed, 0 failed, 1 skipped\n')
})
