import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERRORS } from '../../contract/errors.ts'
import { errorsPage } from '../../docs/errors-page.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/ERRORS.md'), 'utf8')

test('docs/ERRORS.md is what the table of errors generates', () => {
  assert.equal(page, errorsPage(), 'run: node docs/errors-page.ts')
})

test('docs/ERRORS.md has every code exactly once', () => {
  for (const code of Object.keys(ERRORS)) assert.equal(page.split(`\`${code}\``).length, 2, code)
})
