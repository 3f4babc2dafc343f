import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRORS, isErrorCode } from '../../contract/errors.ts'
import { createMetrics } from '../../puller/metrics/metrics.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const page = read('docs/operations.md')
const sorted = (words: Iterable<string>) => [...new Set(words)].sort()

/** From a heading to the next one of any level. */
function section(heading: string): string {
  const start = page.indexOf(`\n${heading}\n`)
  assert.ok(start >= 0, heading)
  const rest = page.slice(start + heading.length + 2)
  const end = rest.search(/^##+ /m)
  return end < 0 ? rest : rest.slice(0, end)
}

/** What stands in backticks in the first cells of a section’s tables. */
function firstCells(heading: string): readonly string[] {
  const rows = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  for (const row of rows) assert.ok((row.match(/(?<!\\)\|/g) ?? []).length >= 4, row)
  return rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word))
}

const sourceOf = (...patterns: readonly string[]) =>
  patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).map((file) => ({ file, text: read(file) }))

/** Every word in the place of a condition’s reason, as the puller’s sources have it. */
function reasonsInCode(): readonly string[] {
  const sources = sourceOf('puller/{say,control,remove,reconcile,loop}/**/*.ts')
  const words = sources.flatMap(({ text }) => {
    const lines = text.split('\n').filter((line) => /\breason(?::| =) /.test(line))
    const calls = [...text.matchAll(/\bprogress\(\s*'(\w+)'/g)].map(([, word]) => `'${word}'`)
    const makers = [...text.matchAll(/^function \w*Reason\([\s\S]*?^}/gm)].map(([body]) => body)
    return [...lines, ...calls, ...makers].flatMap((line) =>
      [...line.matchAll(/'((?:[A-Z][a-z]+)+)'/g)].map(([, word = '']) => word),
    )
  })
  return sorted(words.filter((word) => !['True', 'False', 'Unknown'].includes(word)))
}

/** Every code that the puller, or what it uses of the contract, can end with; not those of wrong usage. */
function codesInCode(): readonly string[] {
  const sources = sourceOf('puller/**/*.ts', 'contract/**/*.ts').filter(({ file }) => file !== 'contract/errors.ts')
  const quoted = sources.flatMap(({ text }) =>
    [...text.matchAll(/(?:'|\bERRORS\.)([A-Z][A-Z_]+[A-Z])\b/g)].map(([, code = '']) => code),
  )
  return sorted(quoted.filter((code) => isErrorCode(code) && ![0, 2].includes(ERRORS[code].exit)))
}

test('operations has every condition that the status can carry', () => {
  const status = read('puller/say/status.ts')
  const types = [...status.matchAll(/\bsaid(?:OrKept)?\('(\w+)'/g)].map(([, type = '']) => type)
  assert.ok(types.length >= 6)
  assert.deepEqual(sorted(firstCells('## Conditions')), sorted(types))
})

test('operations has every reason that a condition can have, and no other', () => {
  const cells = firstCells('### Reasons')
  const known = reasonsInCode()
  assert.ok(known.length > 12, String(known))
  assert.deepEqual(sorted(cells.filter((cell) => !isErrorCode(cell))), known)
})

test('operations has every error code of the puller, each in one row, and no other', () => {
  const cells = firstCells('### Reasons').filter(isErrorCode)
  assert.deepEqual(sorted(cells), codesInCode())
  assert.equal(new Set(cells).size, cells.length)
})

test('operations has every metric, and names none that there is not', async () => {
  const text = await createMetrics(() => ({ cpuSeconds: 0, residentBytes: 0 })).render()
  const series = sorted([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name))
  assert.deepEqual(sorted(firstCells('## Metrics')), series)
  const named = sorted([...page.matchAll(/\b(?:waybill|process)_[a-z_]+/g)].map(([name]) => name))
  assert.deepEqual(
    named.filter((name) => !series.includes(name)),
    [],
  )
})
