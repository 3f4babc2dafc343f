import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffLines } from '../../../packager/diff/line-diff.ts'

const numbered = (count: number, word: string) => Array.from({ length: count }, (_, i) => `${word} ${i}\n`).join('')

test('a changed line is shown with two lines around it', () => {
  const before = numbered(9, 'line')
  assert.deepEqual(diffLines(before, before.replace('line 4', 'line four')), {
    lines: ['@@ -3,5 +3,5 @@', ' line 2', ' line 3', '-line 4', '+line four', ' line 5', ' line 6'],
    truncated: false,
  })
})

test('a long difference is cut, and says so', () => {
  const found = diffLines(numbered(600, 'a'), numbered(600, 'b'))
  assert.deepEqual([found?.lines.length, found?.truncated], [400, true])
  const wide = diffLines(`a\n${'x'.repeat(5000)}\n`, 'a\nb\n')
  assert.equal(wide?.truncated, true)
  assert.ok(wide.lines.every((line) => line.length <= 1001))
})

test('texts that share nothing are not compared for ever', () => {
  assert.equal(diffLines(numbered(50_000, 'a'), numbered(50_000, 'b')), undefined)
})
