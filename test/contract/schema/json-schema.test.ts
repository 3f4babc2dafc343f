import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../../contract/canonical-json.ts'
import { toJsonSchema } from '../../../contract/schema/json-schema.ts'
import { crdValidator, fieldText, validatorsOf } from '../../../contract/schema/validate.ts'

/** What is wrong with a value, by the schema of a CRD or one that an API server publishes. */
function faultsBy(schema: JsonObject, value: Json, source: 'crd' | 'published' = 'crd'): readonly string[] {
  const validate = validatorsOf({ it: toJsonSchema(schema, source) })('it')
  assert.ok(validate !== undefined)
  return validate(value).map(({ path, message }) => `${fieldText(path)}: ${message}`)
}

test('fields that a schema does not name are faults, except where it keeps unknown ones or only combines', () => {
  const schema = {
    type: 'object',
    properties: {
      port: { 'x-kubernetes-int-or-string': true },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: {} } },
      meta: { $ref: '#/components/schemas/Meta', description: 'x' },
    },
    anyOf: [{ required: ['port'], properties: { port: {} } }],
  }
  assert.deepEqual(toJsonSchema(schema), {
    type: 'object',
    properties: {
      port: { type: ['integer', 'string'] },
      free: { type: 'object', properties: { a: {} } },
      meta: { $ref: '#/$defs/Meta' },
    },
    anyOf: [{ required: ['port'], properties: { port: {} } }],
    additionalProperties: false,
  })
})

test('an object without properties holds nothing by a CRD, and anything by what an API server publishes', () => {
  const schema = { type: 'object', properties: { a: { type: 'object' } } }
  assert.deepEqual(faultsBy(schema, { a: { b: 1 } }), ['a.b: unknown field'])
  assert.deepEqual(faultsBy(schema, { a: { b: 1 } }, 'published'), [])
})

test('unknown fields are kept where a schema says so, and checked again below where it names them', () => {
  const kept = {
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    properties: { a: { type: 'object', properties: { b: { type: 'string' } } } },
  }
  assert.deepEqual(faultsBy(kept, { free: 1, a: { c: 1 } }), ['a.c: unknown field'])
})

test('int-or-string takes either and says so once, also where it is spelt out', () => {
  const spelt = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], pattern: '^a' }
  assert.deepEqual(faultsBy({ properties: { p: spelt } }, { p: ['x'] }), ['p: must be integer or string'])
  assert.deepEqual(faultsBy({ properties: { p: spelt } }, { p: 'b' }), ['p: must match pattern "^a"'])
  assert.deepEqual(faultsBy({ properties: { p: spelt } }, { p: 1 }), [])
})

test('a field may have a name that every object of JavaScript answers to', () => {
  const schema = { type: 'object', properties: { constructor: { type: 'string' } }, required: ['valueOf'] }
  assert.deepEqual(faultsBy(schema, {}), ['valueOf: required'])
})

test('a pattern means what the API server takes it for; one that it could not read either is not checked', () => {
  for (const pattern of ['(?i)^A$', '^[[:alpha:]]+$', '^\\pL+$', '\\Aa\\z', '(?P<a>a)', '^\\x{61}$']) {
    assert.deepEqual(faultsBy({ type: 'string', pattern }, 'a'), [], pattern)
    assert.deepEqual(faultsBy({ type: 'string', pattern }, '1'), [`: must match pattern "${pattern}"`])
  }
  assert.deepEqual(faultsBy({ type: 'string', pattern: '(?=b)' }, 'a'), [])
  assert.deepEqual(faultsBy({ properties: { a: { pattern: '^a$' }, b: { pattern: '^b$' } } }, { a: 'a', b: 'a' }), [
    'b: must match pattern "^b$"',
  ])
})

test('a pattern that was written to hang its reader, and a quantity of a million digits, are read in no time', () => {
  assert.deepEqual(faultsBy({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(100_000)}!`), [
    ': must match pattern "^(a+)+$"',
  ])
  const quantity = { type: 'string', format: 'quantity' }
  assert.deepEqual(faultsBy(quantity, '1'.repeat(1_000_000)), [])
  assert.deepEqual(faultsBy(quantity, `${'1'.repeat(1_000_000)}!`), [': must be a quantity such as 500m or 1Gi'])
})

test('a bound is excluded where Kubernetes says so, beside the bound', () => {
  const between = { type: 'integer', minimum: 1, exclusiveMinimum: false, maximum: 3, exclusiveMaximum: true }
  assert.deepEqual(
    [0, 1, 3].map((value) => faultsBy(between, value)),
    [[': must be >= 1'], [], [': must be < 3']],
  )
})

test('of a choice that nothing satisfies the choice is told, not every branch of it', () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' } },
    oneOf: [{ required: ['a'] }, { required: ['b'] }],
  }
  assert.deepEqual(faultsBy(schema, {}), [': does not satisfy oneOf'])
})

test('a choice that hangs on a format that is not known refuses nothing that may be right', () => {
  const address = {
    type: 'object',
    properties: { type: { type: 'string' }, value: { type: 'string' } },
    oneOf: [
      { properties: { type: { enum: ['IP'] }, value: { oneOf: [{ format: 'ipv4' }, { format: 'ipv6' }] } } },
      { properties: { type: { not: { enum: ['IP'] } } } },
    ],
    not: { properties: { value: { format: 'uri' } } },
  }
  assert.deepEqual(faultsBy(address, { type: 'IP', value: '10.0.0.1' }), [])
  assert.deepEqual(faultsBy({ not: { format: 'int32' } }, 1), [': does not satisfy not'])
})

test('a null is as good as nothing to a published schema, and a default as good as a value', () => {
  const schema = {
    type: 'object',
    required: ['a', 'b'],
    properties: { a: { type: 'string', default: 'x' }, b: { type: 'string' } },
  }
  assert.deepEqual(faultsBy(schema, { a: null, b: null }), ['b: required'])
})

test('to a CRD a null is a value: wrong unless it is nullable or has a default', () => {
  const text = { type: 'string' }
  const spec = { plain: text, nullable: { ...text, nullable: true }, filled: { ...text, default: 'x' } }
  const validate = crdValidator({ type: 'object', properties: { spec: { type: 'object', properties: spec } } })
  const nulls = { plain: null, nullable: null, filled: null }
  assert.deepEqual(validate?.({ apiVersion: 'a/v1', kind: 'A', metadata: { labels: null }, spec: nulls }), [
    { path: ['spec', 'plain'], keyword: 'type', message: 'must be string' },
  ])
})

test('formats that the API server refuses are refused: base64, times, quantities, integers of 32 bits', () => {
  const by = (format: string, value: Json) => faultsBy({ format }, value)
  assert.deepEqual(by('byte', 'a'), [': must be base64'])
  assert.deepEqual(by('date-time', '2026-01-02'), [': must be a time such as 2026-01-02T03:04:05Z'])
  assert.deepEqual(by('int32', 2 ** 31), [': must be an integer of 32 bits'])
  assert.deepEqual(by('quantity', '1 Gi'), [': must be a quantity such as 500m or 1Gi'])
  for (const quantity of ['1', '1.5', '.5', '-1', '500m', '1Gi', '1e3', '5E', '2n'])
    assert.deepEqual(by('quantity', quantity), [], quantity)
})

test('no fault repeats a value', () => {
  const schema = {
    type: 'object',
    properties: {
      a: { type: 'integer' },
      b: { enum: ['x'] },
      c: { type: 'string', pattern: '^x$', maxLength: 3 },
      d: { not: { enum: ['hunter2'] } },
      e: { type: 'string', format: 'byte' },
    },
  }
  const faults = faultsBy(schema, { a: 'hunter2', b: 'hunter2', c: 'hunter2', d: 'hunter2', e: 'hunter2!' })
  assert.equal(faults.length, 6)
  assert.doesNotMatch(faults.join(' '), /hunter2/)
})

test('a custom object has its type and metadata, whatever its CRD says of them', () => {
  const schema = { type: 'object', properties: { metadata: { type: 'object' }, spec: { type: 'object' } } }
  const validate = crdValidator(schema)
  const object = { apiVersion: 'a/v1', kind: 'A', metadata: { name: 'x', labels: { a: 'b' } }, spec: {}, spek: {} }
  assert.deepEqual(validate?.(object), [
    {
      path: ['spek'],
      keyword: 'additionalProperties',
      message: 'unknown field',
      known: ['spec', 'apiVersion', 'kind', 'metadata'],
    },
  ])
})

test('a field is named as people write it', () => {
  assert.equal(fieldText(['spec', 'containers', 0, 'image']), 'spec.containers[0].image')
  assert.equal(fieldText(['metadata', 'labels', 'a.b/c', '0']), 'metadata.labels["a.b/c"]["0"]')
})

test('a set of very many objects is looked through once, and has the same item twice in whatever order its keys stand', () => {
  const items = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const set = { type: 'array', 'x-kubernetes-list-type': 'set', items }
  const many = Array.from({ length: 150_000 }, (_, a) => ({ a, b: 1 }))
  assert.deepEqual(faultsBy(set, many), [])
  assert.deepEqual(faultsBy(set, [...many, { b: 1, a: 7 }]), [': must not hold the same item twice'])
})
