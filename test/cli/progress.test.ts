import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgressLine } from '../../cli/progress.ts'

function screen(columns: number | undefined) {
  const texts: string[] = []
  const line = createProgressLine({ write: (text) => void texts.push(text), columns: () => columns })
  /** What a terminal would show: an erased line is gone. */
  const shown = () =>
    texts
      .join('')
      .split('\n')
      .map((row) => row.slice(row.lastIndexOf('\u001b[2K') + 1).replace('[2K', ''))
  return { line, texts, shown }
}

test('on a terminal one line shows what is being done, for how long, and is gone in the end', () => {
  const { line, shown } = screen(80)
  line.step('packing')
  assert.deepEqual(shown(), ['packing'])
  line.tick(3)
  assert.deepEqual(shown(), ['packing (3 s)'])
  line.step('reading back')
  assert.deepEqual(shown(), ['reading back'])
  line.note('warning: an old API')
  line.tick(4)
  assert.deepEqual(shown(), ['warning: an old API', ''])
  line.step('naming it 1.0.0')
  line.clear()
  assert.deepEqual(shown(), ['warning: an old API', ''])
})

test('in CI each step is a plain line, and nothing ticks', () => {
  const { line, texts } = screen(undefined)
  line.step('packing')
  line.tick(3)
  line.note('warning: an old API')
  line.clear()
  assert.equal(texts.join(''), 'packing\nwarning: an old API\n')
})

test('a live line never wraps, and does not do what a name tells a terminal to', () => {
  const { line, shown } = screen(10)
  line.step('packing \u001b[2Jvery much')
  assert.deepEqual(shown(), ['packing …'.slice(0, 9)])
})

test('what a step or a warning repeats of a commit is no command to a log or a terminal', () => {
  const { line, texts } = screen(undefined)
  line.note('warning: a\n::stop-commands::x')
  line.step('::add-mask::a\u001b[2J')
  assert.equal(texts.join(''), 'warning: a\\u000a::stop-commands::x\n\\u003a:add-mask::a\\u001b[2J\n')
})
