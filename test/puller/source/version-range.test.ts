import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Range } from 'semver'
import { highestVersion, isVersionRange } from '../../../puller/source/version-range.ts'

const tags = [
  '1.4.0',
  '1.10.0',
  '1.9.9',
  '2.0.0',
  '2.1.0-rc.2',
  'production',
  'v3.0.0',
  '1.4',
  '01.5.0',
  'sha256-00',
  '',
]

test('the highest version is found by precedence, and tags that are no versions are passed over', () => {
  assert.equal(highestVersion(tags, '>=1.4 <2'), '1.10.0')
  assert.equal(highestVersion(tags, '*'), '2.0.0')
  assert.equal(highestVersion(tags, '~1.4.0 || 2.x'), '2.0.0')
  assert.equal(highestVersion(tags, '3.x'), undefined)
  assert.equal(highestVersion([], '*'), undefined)
  assert.equal(highestVersion([`1.0.${'9'.repeat(30)}`, '1.0.0-01', '1.0.0'], '>=1.0.0-0'), '1.0.0')
})

test('prereleases count only where the range names one of the same release', () => {
  assert.equal(highestVersion(tags, '>=2.1.0-0'), '2.1.0-rc.2')
  assert.equal(highestVersion(tags, '>=2.0.1-0'), undefined)
  assert.equal(highestVersion(['1.0.0-rc.10', '1.0.0-rc.9'], '1.0.0-rc.x || >=1.0.0-rc.1'), '1.0.0-rc.10')
})

test('a range is told from what is none', () => {
  for (const text of ['>=1.4 <2', '^1', '~1.4.2', '1.x', '1.4 - 1.6', '1 || 3', '*', '=1.2.3', 'v1.2'])
    assert.ok(isVersionRange(text), text)
  for (const text of [
    '',
    'latest',
    'production',
    '>=1.4 < banana',
    '1.2.3+build',
    '<0.0.0-0',
    '>=1\n<2',
    `>=1${' '.repeat(300)}`,
  ])
    assert.ok(!isVersionRange(text), text)
})

test('a range is read once, however many tags there are', (t) => {
  const read = t.mock.method(Range.prototype, 'parseRange')
  const many = Array.from({ length: 100 }, (_, i) => `1.0.${i}`)
  assert.equal(highestVersion(many, '1.x || 2.x || 3.x'), '1.0.99')
  assert.equal(read.mock.callCount(), 3)
})
