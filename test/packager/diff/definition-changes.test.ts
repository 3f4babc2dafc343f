import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import type { Json } from '../../../contract/canonical-json.ts'
import { compareTrees } from '../../../packager/diff/compare.ts'

type Version = Record<string, Json>
const version = (name: string, spec: Record<string, Json> = {}, more: Version = {}): Version => ({
  name,
  served: true,
  storage: name === 'v1',
  schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', ...spec } } } },
  ...more,
})
const definition = (versions: readonly Version[], spec: Record<string, Json> = {}): KubeObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: { scope: 'Namespaced', ...spec, versions },
})
function changes(before: KubeObject | undefined, after: KubeObject | undefined) {
  const tree = (treeDigest: string, object: KubeObject | undefined) => ({
    treeDigest,
    objects: object === undefined ? [] : [object],
  })
  const [found] = compareTrees(tree('old', before), tree('new', after)).objects
  const schema = (found?.schema ?? []).map(({ version, path, change, breaking }) =>
    [breaking ? 'breaking' : 'fine', version, path, change].filter((part) => part !== '').join(' '),
  )
  return { schema, fields: found?.fields.map(({ path }) => path) }
}

const field = (name: string, schema: Record<string, Json>) => ({ properties: { [name]: schema } })
const cases: readonly (readonly [string, Record<string, Json>, Record<string, Json>, readonly string[]])[] = [
  ['a new field', {}, field('size', { type: 'integer' }), ['fine v1 spec.size field-added']],
  ['a field that goes', field('size', {}), {}, ['breaking v1 spec.size field-removed']],
  [
    'a field that goes where unknown fields are kept',
    field('size', {}),
    { 'x-kubernetes-preserve-unknown-fields': true },
    ['fine v1 spec.size field-removed', 'fine v1 spec rule-added'],
  ],
  [
    'another type',
    field('size', { type: 'integer' }),
    field('size', { type: 'string' }),
    ['breaking v1 spec.size type-changed'],
  ],
  [
    'a wider type',
    field('size', { type: 'integer' }),
    field('size', { type: 'number' }),
    ['fine v1 spec.size type-changed'],
  ],
  [
    'a field that is now required',
    { ...field('a', {}) },
    { ...field('a', {}), required: ['a'] },
    ['breaking v1 spec.a newly-required'],
  ],
  [
    'a required field with a default',
    {},
    { ...field('a', { default: 1 }), required: ['a'] },
    ['fine v1 spec.a field-added', 'fine v1 spec.a newly-required'],
  ],
  ['a field that may be left out', { required: ['a'] }, {}, ['fine v1 spec.a no-longer-required']],
  [
    'other values',
    field('a', { enum: ['x', 'y'] }),
    field('a', { enum: ['y', 'z'] }),
    ['breaking v1 spec.a values-taken', 'fine v1 spec.a values-added'],
  ],
  ['values where all were allowed', field('a', {}), field('a', { enum: ['x'] }), ['breaking v1 spec.a values-taken']],
  ['a lower maximum', field('a', { maximum: 5 }), field('a', { maximum: 4 }), ['breaking v1 spec.a bound-tightened']],
  ['a first minimum', field('a', {}), field('a', { minLength: 1 }), ['breaking v1 spec.a bound-tightened']],
  ['no maximum any more', field('a', { maxItems: 5 }), field('a', {}), ['fine v1 spec.a bound-loosened']],
  ['a pattern', field('a', {}), field('a', { pattern: '^x$' }), ['breaking v1 spec.a rule-added']],
  ['no rule any more', { 'x-kubernetes-validations': [{ rule: 'true' }] }, {}, ['fine v1 spec rule-removed']],
  ['null no longer allowed', field('a', { nullable: true }), field('a', {}), ['breaking v1 spec.a rule-removed']],
  [
    'unknown fields no longer kept',
    { 'x-kubernetes-preserve-unknown-fields': true },
    field('a', {}),
    ['breaking v1 spec rule-removed', 'breaking v1 spec.a field-added'],
  ],
  ['a default', field('a', {}), field('a', { default: 1 }), ['fine v1 spec.a default-changed']],
  ['a description', field('a', {}), field('a', { description: 'x' }), ['fine v1 spec.a documentation']],
  [
    'items of lists and values of maps',
    { properties: { l: { items: field('x', { type: 'string' }) }, m: { additionalProperties: { type: 'string' } } } },
    { properties: { l: { items: field('x', { type: 'integer' }) }, m: { additionalProperties: { type: 'integer' } } } },
    ['breaking v1 spec.l[].x type-changed', 'breaking v1 spec.m.* type-changed'],
  ],
]
for (const [what, before, after, expected] of cases)
  test(`a schema that changes says what it does to objects that exist: ${what}`, () => {
    const found = changes(definition([version('v1', before)]), definition([version('v1', after)]))
    assert.deepEqual(found, { schema: expected, fields: [] })
  })

test('versions that come, go, are served and are stored are told apart', () => {
  const before = [
    version('v1alpha1'),
    version('v1beta1', {}, { storage: true }),
    version('v1', {}, { storage: false, served: false }),
  ]
  const after = [version('v1beta1', {}, { served: false, storage: false }), version('v1'), version('v2')]
  assert.deepEqual(changes(definition(before), definition(after)), {
    schema: [
      'breaking v1alpha1 version-removed',
      'breaking v1beta1 version-not-served',
      'fine v1 version-served',
      'fine v1 storage-moved',
      'fine v2 version-added',
    ],
    fields: [],
  })
})

test('a definition that goes, or changes its scope, breaks every object of its kind', () => {
  const one = definition([version('v1')])
  assert.deepEqual(changes(one, undefined).schema, ['breaking definition-removed'])
  assert.deepEqual(changes(one, definition([version('v1')], { scope: 'Cluster' })).schema, ['breaking scope-changed'])
  assert.deepEqual(changes(undefined, one).schema, [])
})

test('what of a definition is no schema is compared like any other object', () => {
  const columns = { additionalPrinterColumns: [{ name: 'Size', jsonPath: '.spec.size' }] }
  const found = changes(definition([version('v1')]), definition([version('v1', {}, columns)]))
  assert.deepEqual(found.schema, [])
  assert.match(String(found.fields?.[0]), /^spec\.versions\[name=v1\]\.additionalPrinterColumns/)
})

test('a schema of words that every object of JavaScript answers to, and of very long lists, is compared all the same', () => {
  const many = (prefix: string) => Array.from({ length: 80_000 }, (_, i) => `${prefix}${i}`)
  const before = definition([version('v1', { enum: many('a'), required: many('a') })])
  const after = definition([
    version('v1', { enum: many('b'), required: many('b'), constructor: 1, toString: { a: 1 } }),
  ])
  const { schema } = changes(before, after)
  assert.deepEqual(schema.slice(0, 2), ['breaking v1 spec values-taken', 'fine v1 spec values-added'])
  const words = definition([version('v1', { constructor: 1, toString: { a: 1 } })])
  assert.deepEqual(changes(definition([version('v1')]), words).schema, [
    'breaking v1 spec rule-added',
    'breaking v1 spec rule-added',
  ])
})
