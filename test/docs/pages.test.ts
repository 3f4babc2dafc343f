import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CATALOGUE } from '../../cli/catalogue.ts'
import { MEDIA } from '../../contract/artifact/artifact.ts'
import { LIMITS } from '../../contract/limits.ts'
import { BUILD_TYPE, PREDICATES } from '../../contract/trust/statements.ts'
import { RECORD_KINDS } from '../../puller/kinds.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

test('FORMAT has every limit with its value', () => {
  const format = read('docs/FORMAT.md').replaceAll(/ +/g, ' ')
  for (const [name, value] of Object.entries(LIMITS)) assert.ok(format.includes(`| \`${name}\` | ${value} |`), name)
})

test('FORMAT has every media type, predicate and kind of record', () => {
  const format = read('docs/FORMAT.md')
  const { index: _index, empty: _empty, ...ours } = MEDIA
  for (const text of [...Object.values(ours), ...Object.values(PREDICATES), BUILD_TYPE, ...RECORD_KINDS])
    assert.ok(format.includes(text), text)
})

test('ARCHITECTURE says of every runtime dependency why it is there', () => {
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json'))
  const page = read('docs/ARCHITECTURE.md')
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies }))
    assert.match(page, new RegExp(`^\\|.*\`${name}\`.*\\| .{10,} \\|$`, 'm'), name)
})

test('every file that ARCHITECTURE sends a reader to is there', () => {
  const page = read('docs/ARCHITECTURE.md')
  const named = [...page.matchAll(/`((?:contract|packager|puller|cli|test|tools|docs)\/[\w./-]+)`/g)].map(
    ([, file]) => file ?? '',
  )
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter((file) => !existsSync(join(ROOT, file))),
    [],
  )
})

test('every file that the two flows name is there', () => {
  const page = read('docs/ARCHITECTURE.md')
  const flows = page.slice(page.indexOf('## Two flows'), page.indexOf('## What must never happen'))
  const half = flows.indexOf('**Puller**')
  const missing = (room: string, text: string) => {
    const named = [...text.matchAll(/[\w/-]+\.ts\b/g)].map(([file]) => `${room}/${file}`)
    assert.ok(named.length > 9, room)
    return named.filter((file) => !existsSync(join(ROOT, file)))
  }
  assert.deepEqual([...missing('packager', flows.slice(0, half)), ...missing('puller', flows.slice(half))], [])
})

test('the index of decisions lists every decision', () => {
  const index = read('docs/decisions/README.md')
  for (const file of readdirSync(join(ROOT, 'docs/decisions')))
    if (file !== 'README.md') assert.ok(index.includes(`(${file})`), file)
})

test('the changelog has its three headings, and names every command', () => {
  const changelog = read('CHANGELOG.md')
  for (const heading of ['Contract', 'Packager', 'Puller']) assert.match(changelog, new RegExp(`^### ${heading}$`, 'm'))
  for (const { name } of CATALOGUE) assert.match(changelog, new RegExp(`\`${name}[ \`]`), name)
})
