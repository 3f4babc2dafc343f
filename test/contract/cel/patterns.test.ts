import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { patternOf, patternSize } from '../../../contract/cel/patterns.ts'

test('a pattern is as large as it becomes, repetitions written out', () => {
  const sizes: Readonly<Record<string, number>> = { abc: 3, 'a{3}': 3, '(ab){5}c': 21, '((a{10}){10}){9}': 1098 }
  for (const [pattern, size] of Object.entries(sizes)) assert.equal(patternSize(pattern), size, pattern)
})

test('no pattern becomes much larger than its size says', () => {
  const atom = fc.constantFrom(
    'a',
    '.',
    '[a-z0-9]',
    '[]x]',
    '[^]a]',
    '[[:alpha:](]',
    '\\d',
    '\\{',
    '\\(',
    '\\pL',
    '^',
    'ü',
  )
  const repeat = fc.constantFrom('', '*', '+?', '?', '{3}', '{2,}', '{0,7}', '{,2}')
  const pattern = fc.letrec<{ readonly part: string; readonly group: string }>((tie) => ({
    part: fc.oneof(
      { maxDepth: 4 },
      fc.tuple(atom, repeat).map((pair) => pair.join('')),
      tie('group'),
    ),
    group: fc
      .tuple(fc.array(tie('part'), { maxLength: 4 }), fc.constantFrom('', '|'), repeat)
      .map(([parts, by, times]) => `(${parts.join(by)})${times}`),
  })).part
  fc.assert(
    fc.property(pattern, (text) => {
      const compiled = patternOf(text)
      if (typeof compiled !== 'string') assert.ok(compiled.programSize() <= 4 * patternSize(text) + 10, text)
    }),
  )
})
