import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8')
const attacks = page.slice(page.indexOf('## Attacks that the tests try'), page.indexOf('## Out of scope'))
const rows = attacks.split('\n').filter((line) => line.startsWith('| ') && !/^\| (?:attack|---) /.test(line))

/** The names of a file's tests; what is filled in when they run is `…`. */
function namesIn(file: string): readonly string[] {
  const source = readFileSync(join(ROOT, file), 'utf8')
  return [...source.matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs)].map(([, , name = '']) =>
    name.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(['"`])/g, '$1'),
  )
}

test('every test that the threat model names exists under that name', () => {
  const named = [...attacks.matchAll(/`(test\/[\w./-]+)`((?: “[^”]+”)+)/g)].flatMap(([, file = '', names = '']) =>
    [...names.matchAll(/“([^”]+)”/g)].map(([, name = '']) => ({ file, name })),
  )
  assert.ok(named.length > 100, `${named.length} tests are named`)
  const missing = named.filter(({ file, name }) => !existsSync(join(ROOT, file)) || !namesIn(file).includes(name))
  assert.deepEqual(missing, [])
})

test('every attack of the threat model is tried by a test', () => {
  assert.ok(rows.length > 50, `${rows.length} attacks are listed`)
  for (const row of rows) assert.match(row, /^\| .+ \| .+ \| (?:`test\/[\w./-]+`(?: “[^”]+”)+ ?)+ \|$/)
})

test('every refusal that is tried on a real cluster is in the threat model', () => {
  const file = 'test/puller/refusals.real.test.ts'
  const known = ['an environment that the artifact does not have', 'a pull secret that is not there']
  for (const name of namesIn(file)) if (!known.includes(name)) assert.ok(attacks.includes(`“${name}”`), name)
})
