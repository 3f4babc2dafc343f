import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANNOTATION, LABELS, parseDeliverySpec } from '../../puller/kinds.ts'

const repository = 'registry.example.com/acme/shop'
const digest = `sha256:${'0'.repeat(64)}`
const parse = (source: object, more: object = {}) =>
  parseDeliverySpec('shop/api', { source: { repository, ...source }, ...more })
const environment = 'production'

test('a Delivery follows one thing: a channel, a version range or a digest, of an environment', () => {
  parse({ channel: 'production' })
  parse({ version: '>=1.4 <2' }, { environment })
  parse({ digest }, { environment })
  for (const source of [
    {},
    { channel: 'production', version: '^1' },
    { version: '^1', digest },
    { channel: 'x', digest },
  ])
    assert.throws(() => parse(source, { environment }), { code: 'DELIVERY_INVALID', message: /exactly one/ })
  for (const source of [{ version: '^1' }, { digest }])
    assert.throws(() => parse(source), { code: 'DELIVERY_INVALID', message: /environment/ })
})

test('what is no range, no schedule and no time zone is refused by its field', () => {
  const invalid = (field: string) => ({ code: 'DELIVERY_INVALID', message: new RegExp(`spec\\.${field}`) })
  assert.throws(() => parse({ version: 'newest' }, { environment }), invalid('source.version'))
  const source = { channel: 'production' }
  parse(source, { schedule: '0 6 * * 1-5', timeZone: 'Europe/Berlin' })
  assert.throws(() => parse(source, { schedule: '0 6 31 2 *' }), invalid('schedule'))
  assert.throws(() => parse(source, { schedule: '0 6 * * *', timeZone: 'Mars/Olympus' }), invalid('timeZone'))
  assert.throws(() => parse(source, { timeZone: 'UTC' }), invalid('timeZone'))
  assert.throws(() => parse({ digest }, { environment, schedule: '0 6 * * *' }), invalid('schedule'))
})

test('what Waybill knows its objects by cannot be left to others, nor what that is in', () => {
  const ignoring = (pointer: string) => () => parse({ channel: 'production' }, { ignore: [{ fields: [pointer] }] })
  const own = [
    `/metadata/labels/${LABELS.partOf.replaceAll('/', '~1')}`,
    ...[ANNOTATION.claim, ANNOTATION.release].map((name) => `/metadata/annotations/${name.replaceAll('/', '~1')}`),
  ]
  for (const pointer of [...own, '/metadata/labels', '/metadata/annotations', '/metadata', '/metadata/name', '/kind'])
    assert.throws(ignoring(pointer), {
      code: 'DELIVERY_INVALID',
      message: /spec\.ignore\.0\.fields\.0: Waybill knows its objects by this, which cannot be left to others/,
    })
  for (const pointer of [
    '/metadata/labels/team',
    '/metadata/annotations/waybill.dev~1wave',
    '/spec/replicas',
    '/data/kind',
  ])
    ignoring(pointer)()
})

test('two notifications of one name, and kinds of records that there are not, are refused', () => {
  const team = { name: 'team', type: 'slack', secret: { name: 'team' } }
  const source = { channel: 'production' }
  parse(source, { notifications: [team, { ...team, name: 'other', kinds: ['Failed'] }] })
  const invalid = { code: 'DELIVERY_INVALID', message: /spec\.notifications/ }
  assert.throws(() => parse(source, { notifications: [team, team] }), invalid)
  assert.throws(() => parse(source, { notifications: [{ ...team, kinds: ['Failled'] }] }), invalid)
})

test('a field that a Delivery does not have is told with where it stands', () => {
  const told = (message: RegExp) => ({ code: 'DELIVERY_INVALID', message })
  assert.throws(() => parse({ channel: 'production' }, { sources: [] }), told(/: spec: Unrecognized key: "sources"/))
  assert.throws(() => parse({ channel: 'production', branch: 'x' }), told(/spec\.source: Unrecognized key: "branch"/))
})
