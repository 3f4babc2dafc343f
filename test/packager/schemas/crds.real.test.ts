import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject, type Json, type JsonObject } from '../../../contract/canonical-json.ts'
import { checkSchemas } from '../../../packager/checks/schemas.ts'
import { parsePackageFile } from '../../../packager/package-file.ts'
import { readKubernetes } from '../../../packager/schemas/disk.ts'
import { field, useControlPlane } from '../../real/control-plane.ts'
import { packageFile } from '../repository.ts'

/** What check says of CRDs and of objects of their kinds, and what a real API server says of them. */
const plane = await useControlPlane()
const kubernetes = await readKubernetes('1.36')
const namespace = await plane.freshNamespace()
const GROUP = `${namespace}.example.com`

const text = { type: 'string' }
const SPEC: JsonObject = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 5, pattern: '^[a-z]+$' },
    shout: { type: 'string', pattern: '(?i)^[a-z]+$' },
    class: { type: 'string', pattern: '^[[:alpha:]]+$' },
    count: { type: 'integer', minimum: 1, maximum: 10, exclusiveMaximum: true },
    small: { type: 'integer', format: 'int32' },
    even: { type: 'number', multipleOf: 2 },
    on: { type: 'boolean', default: true },
    empty: { type: 'object' },
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: text } },
    map: { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 2 },
    anything: { type: 'object', additionalProperties: true },
    any: { 'x-kubernetes-preserve-unknown-fields': true },
    port: { 'x-kubernetes-int-or-string': true },
    size: {
      'x-kubernetes-int-or-string': true,
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE])?$',
    },
    set: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
    byKey: {
      type: 'array',
      items: { type: 'object', required: ['k'], properties: { k: text, v: text } },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
    },
    address: {
      type: 'object',
      properties: { type: text, value: text },
      oneOf: [
        { properties: { type: { enum: ['IP'] }, value: { oneOf: [{ format: 'ipv4' }, { format: 'ipv6' }] } } },
        { properties: { type: { not: { enum: ['IP'] } } } },
      ],
    },
    nullable: { type: 'string', nullable: true },
    choice: { type: 'string', nullable: true, enum: ['a'] },
    loose: { 'x-kubernetes-preserve-unknown-fields': true, nullable: true },
    defaulted: { type: 'object', default: {}, properties: { a: { type: 'string', default: 'x' } } },
    list: {
      type: 'array',
      minItems: 1,
      maxItems: 2,
      items: { type: 'object', properties: { a: text }, required: ['a'] },
    },
    at: { type: 'string', format: 'date-time' },
    bytes: { type: 'string', format: 'byte' },
    level: { type: 'integer', enum: [1, 2] },
    colour: { type: 'string', enum: ['red', 'green'] },
    a: text,
    b: text,
    template: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
  },
  allOf: [{ not: { required: ['a', 'b'] } }],
  anyOf: [{ properties: { count: { minimum: 5 } } }, { required: ['a'] }],
}

const crd = (kind: string, schema: Json, more: JsonObject = {}): JsonObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${kind.toLowerCase()}s.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { plural: `${kind.toLowerCase()}s`, kind },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more }],
  },
})

const inSpec = (spec: Json): Json => ({ type: 'object', properties: { spec } })
const THING = crd('Thing', inSpec(SPEC))

test('of a custom object check says what the API server says', async () => {
  const ok = { name: 'a' }
  assert.equal(
    (await plane.api('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: THING })).status,
    201,
  )
  await plane.eventually('the CRD is served', async () => (await ask(thing(ok))).taken)
  const both: Readonly<Record<string, readonly Json[]>> = {
    name: ['abc', 'abcdef', '', 'A', 7],
    count: [5, 9, 10, 0, '5'],
    small: [1, 2 ** 31],
    even: [2, 2.5, 3],
    on: [false, 'yes'],
    empty: [{}],
    free: [{ b: { c: 1 } }, { a: 1 }, null],
    map: [{ a: 1 }, { a: 'x' }, { a: 1, b: 2, c: 3 }],
    anything: [{ a: { b: [1] } }],
    any: [1, 'x', { a: 1 }],
    port: [80, 'http', 1.5, true],
    size: [1, '1Gi', '1x'],
    set: [
      ['a', 'b'],
      ['a', 'a'],
    ],
    byKey: [
      [{ k: 'a' }, { k: 'b' }],
      [{ k: 'a' }, { k: 'a', v: 'x' }],
    ],
    address: [
      { type: 'IP', value: '10.0.0.1' },
      { type: 'name', value: 'a' },
    ],
    nullable: ['a', null],
    choice: ['a', null],
    loose: [null, 'a'],
    defaulted: [{}, { a: 'b' }, { b: 1 }, null],
    list: [[{ a: 'x' }], [], [{}], [{ a: 'x' }, { a: 'y' }, { a: 'z' }], [{ a: 'x', b: 1 }], {}],
    at: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123+02:00', '2026-01-02', 'now'],
    bytes: ['aGVsbG8=', 'a'],
    level: [1, 3],
    colour: ['red', 'blue'],
    b: ['x', null],
    nowhere: [1],
    template: [
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: {} },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, speck: {} },
    ],
  }
  const specs = Object.entries(both).flatMap(([name, values]) => values.map((value) => ({ ...ok, [name]: value })))
  const more: readonly JsonObject[] = [{}, { ...ok, a: 'x', b: 'y' }, { ...ok, a: 'x', count: 1 }, { ...ok, count: 1 }]
  const objects = [...specs, ...more].map(thing)
  const unlabelled = { metadata: { name: 'x', namespace, labels: null } }
  const known = { metadata: { name: 'x', namespace, lables: { a: 'b' } } }
  await compare([...objects, { ...thing(ok), extra: 1 }, { ...thing(ok), ...known }, { ...thing(ok), ...unlabelled }])
})

test('a field that the API server takes and drops without a word is refused by check', async () => {
  const object = thing({ name: 'a', empty: { a: 1 } })
  assert.deepEqual(faultsOf(object), ['spec.empty.a: unknown field'])
  const { taken, body } = await ask(object)
  assert.deepEqual([taken, field(body, 'spec', 'empty')], [true, {}])
})

test('patterns of which JavaScript knows nothing are read as the API server reads them', async () => {
  for (const [spec, taken] of [
    [{ name: 'a', shout: 'ABC' }, true],
    [{ name: 'a', shout: 'A1' }, false],
    [{ name: 'a', class: 'abc' }, true],
    [{ name: 'a', class: 'a1' }, false],
  ] as const) {
    assert.equal(faultsOf(thing(spec)).length === 0, taken)
    assert.equal((await ask(thing(spec))).taken, taken)
  }
})

test('of a CRD check says what the API server says', async () => {
  const bad: readonly Json[] = [
    { minimum: 1 },
    { type: 'array' },
    { type: 'string', $ref: '#/a' },
    { type: 'array', items: text, uniqueItems: true },
    { type: 'object', properties: { a: text }, additionalProperties: text },
    { type: 'string', anyOf: [{ type: 'string' }] },
    { type: 'object', properties: { a: text }, not: { properties: { a: { default: 'x' } } } },
    { type: 'object', definitions: { a: text } },
    { type: 'string', nullabel: true },
    { ...text, allOf: [{ 'x-kubernetes-validations': [{ rule: "self != ''" }] }] },
  ]
  const good: readonly Json[] = [
    { type: 'object', anyOf: [{ properties: { a: { minLength: 1 } } }] },
    { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
    { 'x-kubernetes-preserve-unknown-fields': true },
    { type: 'object', properties: { a: text }, anyOf: [{ required: ['a'] }, { properties: { a: { minLength: 1 } } }] },
    { type: 'array', items: { type: 'object', additionalProperties: { type: 'array', items: text } } },
  ]
  const roots: readonly Json[] = [
    { type: 'object', anyOf: [{ properties: { a: { minLength: 1 } } }] },
    { type: 'string' },
    {},
    { type: 'object', additionalProperties: text },
  ]
  const { spec } = crd('Other', inSpec(text))
  assert.ok(isJsonObject(spec))
  const flawed = [
    ...[...bad, ...good].map((schema) => crd('Other', inSpec(schema))),
    ...roots.map((schema) => crd('Other', schema)),
    crd('Other', inSpec(text), { storage: false }),
    { ...crd('Other', inSpec(text)), spec: { ...spec, preserveUnknownFields: true } },
    crd('Other', inSpec(text), { schema: null }),
    { ...crd('Other', inSpec(text)), metadata: { name: `another.${GROUP}` } },
  ]
  await compare(flawed)
})

async function compare(objects: readonly JsonObject[]): Promise<void> {
  const disagreements: string[] = []
  for (const object of objects) {
    const [faults, { taken, body }] = [faultsOf(object), await ask(object)]
    if (taken !== (faults.length === 0))
      disagreements.push(JSON.stringify({ object, faults, said: field(body, 'message') }))
  }
  assert.deepEqual(disagreements, [])
}

function thing(spec: JsonObject): JsonObject {
  return { apiVersion: `${GROUP}/v1`, kind: 'Thing', metadata: { name: 'x', namespace }, spec }
}

function faultsOf(object: JsonObject): readonly string[] {
  const settings = parsePackageFile(Buffer.from(packageFile()))
  const place = { environment: 'dev', origin: { file: 'a.yaml', path: [] } }
  const schemas = [{ ...place, object: THING }]
  const rendered = { environments: { dev: [{ ...place, object }] }, schemas, faults: [], tools: {} }
  return checkSchemas(rendered, settings, kubernetes).faults.map(({ message }) => message)
}

/** What the API server says to a strict dry run of server-side apply. */
async function ask(object: JsonObject): Promise<{ readonly taken: boolean; readonly body: unknown }> {
  const name = `${field(object, 'metadata', 'name')}`
  const path =
    object.kind === 'Thing'
      ? `/apis/${GROUP}/v1/namespaces/${namespace}/things/${name}`
      : `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`
  const query = 'fieldManager=test&force=true&dryRun=All&fieldValidation=Strict'
  const contentType = 'application/apply-patch+yaml'
  const { status, body } = await plane.api('PATCH', `${path}?${query}`, { body: object, contentType })
  return { taken: status < 300, body }
}
