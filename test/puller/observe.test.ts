import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePolicies, policiesFor } from '../../puller/observe.ts'
import { newSigningKey, policySpec } from './release-fixture.ts'

const key = newSigningKey()
const policy = (name: string, repositories: readonly unknown[] | undefined, more: object = {}) =>
  JSON.parse(JSON.stringify({ metadata: { name }, spec: { ...policySpec('r', key), repositories, ...more } }))
const good = policy('good', ['r.example.com/**'])
const names = (set: ReturnType<typeof parsePolicies>, ...repositories: string[]) =>
  policiesFor(set, repositories).map(({ name }) => name)

test('a policy that cannot be read closes what it may cover, and nothing else', () => {
  const set = parsePolicies([policy('bad', ['r.example.com/acme/*'], { require: {} }), good])
  for (const repositories of [['r.example.com/acme/shop'], ['mirror.example.com/x', 'r.example.com/acme/shop']])
    assert.throws(() => policiesFor(set, repositories), { code: 'POLICY_INVALID' })
  assert.deepEqual(names(set, 'r.example.com/other/shop'), ['good'])
})

test('a policy of which not even the repositories can be read closes everything', () => {
  for (const repositories of [undefined, [7], ['no-path'], ['']]) {
    const set = parsePolicies([policy('bad', repositories), good])
    assert.throws(() => policiesFor(set, ['r.example.com/acme/shop']), { code: 'POLICY_INVALID' }, `${repositories}`)
  }
})

test('a policy that asks for what is not built yet is not left out', () => {
  const keyless = { authorities: [{ name: 'ci', keyless: { issuer: 'x' } }] }
  const set = parsePolicies([policy('keyless', ['r.example.com/**'], keyless), good])
  assert.throws(() => policiesFor(set, ['r.example.com/acme/shop']), { code: 'FIELD_UNSUPPORTED' })
})
