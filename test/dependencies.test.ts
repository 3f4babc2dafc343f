import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'))

/** Packages that a folder's files import: `@scope/name` or `name`, whatever comes behind. */
function importedBy(pattern: string): ReadonlySet<string> {
  const files = globSync(pattern, { cwd: ROOT, exclude: ['node_modules/**'] })
  const imports = files.flatMap((file) => [...read(file).matchAll(/\b(?:from|import\(?) ?'([^'.\s][^'\s]*)'/g)])
  const names = imports.map(([, name = '']) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
  return new Set(names.filter((name) => !name.startsWith('node:')))
}

test('every runtime dependency is imported by what runs, and what runs imports nothing else', () => {
  const imported = importedBy('{contract,packager,puller,cli}/**/*.{ts,js}')
  assert.deepEqual([...imported].sort(), Object.keys(dependencies).sort())
})

test('the lock file holds every dependency in the version of package.json, and names no place to fetch it from', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  for (const [kind, wanted] of Object.entries({ dependencies, devDependencies, optionalDependencies }))
    assert.deepEqual(packages[''][kind], wanted, kind)
  for (const name of Object.keys({ ...dependencies, ...devDependencies }))
    assert.ok(packages[`node_modules/${name}`]?.integrity, name)
  assert.doesNotMatch(read('package-lock.json'), /"resolved":/)
})
