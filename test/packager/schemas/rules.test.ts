import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../../contract/canonical-json.ts'
import { fieldText } from '../../../contract/schema/validate.ts'
import { ruleNames } from '../../../packager/schemas/rule-types.ts'
import { compileRules } from '../../../packager/schemas/rules.ts'

const text = { type: 'string' }
const ruled = (schema: JsonObject, ...rules: readonly JsonObject[]): JsonObject => ({
  ...schema,
  'x-kubernetes-validations': rules,
})

/** What the rules of a spec's schema say of a spec: faults, and after a ? what could not be told. */
function judged(spec: JsonObject, value: Json): readonly string[] {
  const judge = compileRules({ type: 'object', properties: { spec } })
  assert.ok(judge !== undefined)
  const { faults, gaps } = judge({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' }, spec: value })
  return [
    ...faults.map(({ path, message }) => `${fieldText(path)}: ${message}`),
    ...gaps.map(({ path, why }) => `? ${fieldText(path)}: ${why}`),
  ]
}

const OBJECT = { type: 'object', properties: { a: text, at: { type: 'string', format: 'date-time' } } }

test('what rules use and CI cannot evaluate is told, and never passes as if it were right', () => {
  const cases: readonly (readonly [rule: string, value: JsonObject, said: string])[] = [
    ['isURL(self.a)', { a: 'x' }, 'it uses the function isURL(), which CI cannot evaluate'],
    [
      "self.at < timestamp('2026-01-01T00:00:00Z')",
      { at: '2026-01-02T03:04:05Z' },
      'it uses the function timestamp(), which CI cannot evaluate',
    ],
    [
      "self.at == self.at && self.a == 'x'",
      { a: 'x', at: '2026-01-02T03:04:05Z' },
      'it depends on a time, which CI cannot evaluate',
    ],
    ['self.b == 1', {}, "CI cannot read it: undefined field 'b'"],
    ['self.a', {}, 'CI cannot read it: it must be bool, and is string'],
    ['self.a ==', {}, 'CI cannot read it: syntax error at the end'],
  ]
  for (const [rule, value, why] of cases) assert.deepEqual(judged(ruled(OBJECT, { rule }), value), [`? spec: ${why}`])
  // What does not depend on it is told all the same.
  assert.deepEqual(judged(ruled(OBJECT, { rule: "!has(self.at) && self.a == 'x'" }), { at: '2026-01-02T03:04:05Z' }), [
    "spec: failed rule: !has(self.at) && self.a == 'x'",
  ])
})

test('how sets compare in another order is not built, and is told', () => {
  const set = { type: 'array', items: text, 'x-kubernetes-list-type': 'set' }
  const schema = { type: 'object', properties: { a: set, b: set } }
  const why = 'it depends on how lists of type set or map compare and add up'
  const says = (rule: string, a: Json, b: Json) => judged(ruled(schema, { rule }), { a, b })
  assert.deepEqual(says('self.a == self.b', ['x', 'y'], ['y', 'x']), [`? spec: ${why}`])
  assert.deepEqual(says('(self.a + self.b).size() == 3', ['x'], ['y', 'x']), [`? spec: ${why}`])
  assert.deepEqual(says('self.a == self.b', ['x', 'y'], ['x', 'y']), [])
  assert.deepEqual(says('self.a == self.b', ['x'], ['x', 'y']), ['spec: failed rule: self.a == self.b'])
})

test('what rules do not see of an object counts where it is compared, and is told', () => {
  const side = { type: 'object', properties: { a: { ...text, nullable: true } } }
  const sides = { type: 'array', items: side }
  const says = (...all: readonly Json[]) => judged(ruled(sides, { rule: 'self[0] == self[1]' }), all)
  assert.deepEqual(says({ a: null }, { a: null }), ['? spec: it depends on fields that rules do not see'])
  assert.deepEqual(says({ a: null }, {}), ['spec: failed rule: self[0] == self[1]'])
  assert.deepEqual(says({}, {}), [])
})

test('rules about what was before are passed over, whatever they use', () => {
  const schema = ruled(
    OBJECT,
    { rule: 'self.a == oldSelf.a && isURL(self.a)' },
    { rule: '[1].all(x, self == oldSelf)' },
  )
  assert.deepEqual(judged(schema, { a: 'x' }), [])
})

test('all rules together may cost so much over one object, and where that ends is told', () => {
  const items = {
    type: 'array',
    items: ruled({ type: 'integer' }, { rule: 'lists.range(30000).all(a, a + 1 > self - 1)' }),
  }
  const said = judged({ type: 'object', properties: { items } }, { items: [0, 0, 0, 0, 0] })
  assert.deepEqual(said, [
    '? spec.items[3]: it depends on more than 100000 steps of macros',
    '? spec.items[4]: it depends on more than 100000 steps of macros',
  ])
  const each = ruled(
    { type: 'integer' },
    { rule: 'sets.contains(lists.range(2500), lists.range(2500))' },
    { rule: 'false' },
  )
  assert.deepEqual(judged({ type: 'array', items: each }, [1, 2, 3]), [
    'spec[0]: failed rule: false',
    '? spec[1]: it costs more than CI spends on one object, and so is what comes after it',
  ])
})

test('where rules see nothing of a schema, none is evaluated', () => {
  const bad = { rule: 'false', message: 'never' }
  const hidden = { 'x-kubernetes-preserve-unknown-fields': true, properties: { a: ruled(text, bad) } }
  const also = { b: ruled(text, { rule: "self != 'x'", message: 'not x' }), hidden }
  assert.deepEqual(judged({ type: 'object', properties: also }, { hidden: { a: 'x' }, b: 'x' }), ['spec.b: not x'])
})

test('names of properties are escaped as Kubernetes does', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    plain: ['plain'],
    'a-b.c/d__e': ['a__dash__b__dot__c__slash__d__underscores__e'],
    namespace: ['__namespace__', 'namespace'],
    namespaces: ['namespaces'],
    'x y': [],
    '1a': [],
    é: [],
  }
  for (const [name, escaped] of Object.entries(cases)) assert.deepEqual(ruleNames(name), escaped, name)
})
