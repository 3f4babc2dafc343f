import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'semver'
import { isVersion } from '../../contract/reference.ts'

test('a version is what Semantic Versioning says, without a build suffix, and small enough to be compared', () => {
  for (const text of ['0.0.0', '1.4.2', '1.0.0-rc.1', '1.0.0-0', '1.0.0-0a', '1.0.0--', '999999999999999.0.0'])
    assert.ok(isVersion(text), text)
  for (const text of [
    '',
    '1',
    '1.2',
    'v1.2.3',
    '01.2.3',
    '1.2.3-',
    '1.2.3-01',
    '1.2.3-a..b',
    '1.2.3+b',
    '9007199254740993.0.0',
  ])
    assert.ok(!isVersion(text), text)
})

test('what the packager releases as a version, the puller can put in order', () => {
  const part = fc.stringMatching(/^[0-9A-Za-z-]{1,20}$/)
  const core = fc.tuple(fc.nat(), fc.nat(), fc.nat()).map((numbers) => numbers.join('.'))
  const versions = fc.tuple(core, fc.array(part, { maxLength: 3 }))
  fc.assert(
    fc.property(versions, ([numbers, suffix]) => {
      const text = suffix.length === 0 ? numbers : `${numbers}-${suffix.join('.')}`
      if (isVersion(text)) assert.equal(parse(text)?.version, text)
    }),
  )
})
