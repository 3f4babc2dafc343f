import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { canonicalJson, type Json } from '../../../contract/canonical-json.ts'
import { compareTrees, type EnvironmentDiff } from '../../../packager/diff/compare.ts'
import { compareFields } from '../../../packager/diff/compare-fields.ts'
import { diffText } from '../../../packager/diff/text.ts'
import { reportOf } from './reports.ts'

const A = `sha256:${'a'.repeat(64)}`
const B = `sha256:${'b'.repeat(64)}`

function compare(before: readonly KubeObject[], after: readonly KubeObject[]): EnvironmentDiff {
  return compareTrees({ treeDigest: 'old', objects: before }, { treeDigest: 'new', objects: after })
}
function configMap(name: string, data: Record<string, Json> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'shop' }, data }
}
function secret(fields: Record<string, Json>, annotations: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'login', annotations }, ...fields }
}
function deployment(containers: readonly Json[], spec: Record<string, Json> = {}): KubeObject {
  const pod = { spec: { containers } }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'api' }, spec: { ...spec, template: pod } }
}
const pathsOf = (diff: EnvironmentDiff) =>
  diff.objects.flatMap(({ fields }) => fields.map(({ path, change }) => `${change} ${path}`))

test('objects are added, removed and changed, and the same ones are not told', () => {
  const found = compare(
    [configMap('gone'), configMap('same', { a: '1' }), configMap('edited', { a: '1', b: '1' })],
    [configMap('edited', { a: '2', c: '1' }), configMap('same', { a: '1' }), configMap('new')],
  )
  assert.deepEqual(
    found.objects.map(({ object, change }) => `${change} ${object}`),
    ['changed ConfigMap shop/edited', 'removed ConfigMap shop/gone', 'added ConfigMap shop/new'],
  )
  assert.deepEqual(found.counts, { added: 1, removed: 1, changed: 1 })
  assert.deepEqual(found.objects[0]?.fields, [
    { path: 'data.a', change: 'changed', before: '1', after: '2' },
    { path: 'data.b', change: 'removed', before: '1' },
    { path: 'data.c', change: 'added', after: '1' },
  ])
})

test('an object in another version of its API is the same object', () => {
  const found = compare([{ ...deployment([]), apiVersion: 'apps/v1beta1' }], [deployment([])])
  assert.deepEqual(pathsOf(found), ['changed apiVersion'])
})

test('the same tree digest means that nothing changes', () => {
  const found = compareTrees({ treeDigest: 'one', objects: [] }, { treeDigest: 'one', objects: [] })
  assert.deepEqual([found.status, found.objects], ['same', []])
})

test('an environment that only one side has is told as new or gone, object by object', () => {
  const tree = { treeDigest: 'one', objects: [configMap('a')] }
  assert.deepEqual(compareTrees(undefined, tree).counts, { added: 1, removed: 0, changed: 0 })
  assert.equal(compareTrees(undefined, tree).status, 'added')
  assert.equal(compareTrees(tree, undefined).status, 'removed')
})

test('containers, variables and ports are matched by their keys, wherever they stand in the list', () => {
  const api = { name: 'api', env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80 }] }
  const apiAfter = {
    name: 'api',
    env: [
      { name: 'NEW', value: '0' },
      { name: 'A', value: '2' },
    ],
    ports: [{ containerPort: 80, protocol: 'UDP' }, { containerPort: 80 }],
  }
  const found = compare([deployment([api])], [deployment([{ name: 'sidecar' }, apiAfter])])
  const at = 'spec.template.spec.containers'
  assert.deepEqual(pathsOf(found), [
    `changed ${at}[name=api].env[name=A].value`,
    `added ${at}[name=api].env[name=NEW].name`,
    `added ${at}[name=api].env[name=NEW].value`,
    `added ${at}[name=api].ports[containerPort=80,protocol=UDP].containerPort`,
    `added ${at}[name=api].ports[containerPort=80,protocol=UDP].protocol`,
    `added ${at}[name=sidecar].name`,
  ])
})

test('the same items in another order are told as that', () => {
  const [a, b] = [{ name: 'a' }, { name: 'b' }]
  assert.deepEqual(pathsOf(compare([deployment([a, b])], [deployment([b, a])])), [
    'reordered spec.template.spec.containers',
  ])
})

test('an item put into a list without keys does not change all those behind it', () => {
  const args = (...list: string[]) => [deployment([{ name: 'api', args: list }])]
  const at = 'spec.template.spec.containers[name=api].args'
  assert.deepEqual(pathsOf(compare(args('a', 'c'), args('a', 'b', 'c'))), [`added ${at}[1]`])
  assert.deepEqual(pathsOf(compare(args('a', 'b', 'c'), args('a', 'x', 'c'))), [`changed ${at}[1]`])
  assert.deepEqual(pathsOf(compare(args('a', 'b'), args('b'))), [`removed ${at}[0]`])
})

test('a text of many lines is compared line by line, and a long value is left out', () => {
  const text = 'a\nb\nc\n'
  const [found] = compare(
    [configMap('a', { t: text, l: 'x' })],
    [configMap('a', { t: `${text}d\n`, l: [1, 'y'.repeat(3000)] })],
  ).objects
  assert.deepEqual(found?.fields, [
    { path: 'data.t', change: 'changed', lines: ['@@ -2,2 +2,3 @@', ' b', ' c', '+d'] },
    { path: 'data.l', change: 'changed', before: 'x', truncated: true },
  ])
})

test('of an object with very many changes the first thousand are told, and how many more there are', () => {
  const data = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`k${i}`, '']))
  const [found] = compare([configMap('a')], [configMap('a', data)]).objects
  assert.deepEqual([found?.fields.length, found?.fieldsLeftOut], [1000, 500])
})

test('keys that an object inherits are keys like any other', () => {
  const odd = JSON.parse('{"constructor":"a","__proto__":"b","toString":"c"}')
  assert.deepEqual(pathsOf(compare([configMap('a')], [configMap('a', odd)])), [
    'added data.constructor',
    'added data.__proto__',
    'added data.toString',
  ])
})

test('two values differ in no field exactly when they are the same JSON', () => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const same = (a: unknown, b: unknown) => canonicalJson(a) === canonicalJson(b)
  fc.assert(
    fc.property(json, json, (a, b) => {
      const [left, right]: readonly Json[] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))]
      assert.equal(compareFields(left, right).length === 0, same(left, right))
      assert.deepEqual(compareFields(left, left), [])
    }),
  )
})

const SECRET = 'aHVudGVyMi10aGUtc2VjcmV0'
const OTHER = 'c29tZXRoaW5nLWVsc2U='
const LAST = 'kubectl.kubernetes.io/last-applied-configuration'
const secretPairs: readonly (readonly [string, KubeObject, KubeObject, readonly string[]])[] = [
  [
    'a value of data',
    secret({ data: { p: SECRET, q: 'cQ==' } }),
    secret({ data: { p: OTHER, q: 'cQ==' } }),
    ['changed data.p'],
  ],
  ['a new key', secret({}), secret({ data: { p: SECRET } }), ['added data.p']],
  ['a key that goes', secret({ data: { p: SECRET } }), secret({ data: {} }), ['removed data.p']],
  ['stringData', secret({ stringData: { p: SECRET } }), secret({ stringData: { p: OTHER } }), ['changed stringData.p']],
  ['a value in place of data', secret({ data: SECRET }), secret({ data: OTHER }), ['changed data']],
  ['a list in place of data', secret({ data: [SECRET] }), secret({ data: { p: OTHER } }), ['changed data']],
  ['a value in place of a key', secret({ data: { [`${SECRET} =`]: '' } }), secret({ data: {} }), ['changed data']],
  [
    'a value deeper down',
    secret({ data: { p: { q: SECRET } } }),
    secret({ data: { p: { q: OTHER } } }),
    ['changed data.p'],
  ],
  [
    'a misspelt field',
    secret({ stringdata: { p: SECRET } }),
    secret({ stringdata: { p: OTHER } }),
    ['changed stringdata.p'],
  ],
  [
    'a value that looks like an image',
    secret({ data: { containers: [{ name: 'a', image: SECRET }] } }),
    secret({ data: { containers: [{ name: 'a', image: OTHER }] } }),
    ['changed data.containers'],
  ],
  ['what kubectl applied last', secret({}, { [LAST]: SECRET }), secret({}, { [LAST]: OTHER }), [`changed ["${LAST}"]`]],
  [
    'a Secret of another group',
    { ...secret({ data: { p: SECRET } }), apiVersion: 'x.example.com/v1' },
    { ...secret({ data: { p: OTHER } }), apiVersion: 'x.example.com/v1' },
    ['changed data.p'],
  ],
]
for (const [what, before, after, expected] of secretPairs)
  test(`of a Secret the names of what changed are told and never a value: ${what}`, () => {
    for (const [a, b] of [
      [[before], [after]],
      [[before], []],
      [[], [after]],
    ] as const) {
      const found = compare(a, b)
      const printed = `${JSON.stringify(found)}${diffText(reportOf({ production: found }), { colour: false })}`
      for (const value of [SECRET, OTHER]) assert.ok(!printed.includes(value), printed)
      if (a.length === b.length) {
        assert.deepEqual(pathsOf(found), expected)
        assert.deepEqual(
          [...new Set(found.objects[0]?.fields.flatMap((field) => Object.keys(field)))],
          ['path', 'change', 'hidden'],
        )
      }
    }
  })

test('a Secret’s type is no value', () => {
  assert.deepEqual(pathsOf(compare([secret({ type: 'Opaque' })], [secret({ type: 'kubernetes.io/tls' })])), [
    'changed type',
  ])
})

test('images are told on their own, each change once with all that use it', () => {
  const pod = (image: string) => [
    { name: 'log', image: `log@${A}` },
    { name: 'api', image },
  ]
  const found = compare(
    [deployment(pod(`api:1@${A}`)), { ...deployment(pod(`api:1@${A}`)), kind: 'StatefulSet' }],
    [deployment(pod(`api:2@${B}`).reverse()), { ...deployment(pod(`api:2@${B}`)), kind: 'StatefulSet' }],
  )
  const path = 'spec.template.spec.containers[name=api].image'
  assert.deepEqual(found.images, [
    {
      before: `api:1@${A}`,
      after: `api:2@${B}`,
      uses: [
        { object: 'Deployment.apps api', path },
        { object: 'StatefulSet.apps api', path },
      ],
    },
  ])
})

test('a person reads digests of images short, a program in full', () => {
  const found = compare(
    [deployment([{ name: 'api', image: `api:1@${A}` }])],
    [deployment([{ name: 'api', image: `api:2@${B}` }])],
  )
  const text = diffText(reportOf({ production: found }), { colour: false })
  assert.doesNotMatch(text, /a{13}|b{13}/)
  assert.match(text, /image: "api:2@sha256:b{12}"/)
  assert.match(JSON.stringify(found.objects), new RegExp(`"after":"api:2@${B}"`))
})

test('an image that comes or goes with its object is told too', () => {
  const found = compare([deployment([{ name: 'api', image: `api@${A}` }])], [])
  assert.deepEqual(
    found.images.map(({ before, after }) => [before, after]),
    [[`api@${A}`, undefined]],
  )
})

test('what kustomize names after its content is one object that changed', () => {
  const found = compare([configMap('settings-2b9h5m7kf8', { a: '1' })], [configMap('settings-9gt4ch2bdk', { a: '2' })])
  assert.deepEqual(found.counts, { added: 0, removed: 0, changed: 1 })
  assert.equal(found.objects[0]?.renamedFrom, 'settings-2b9h5m7kf8')
  assert.deepEqual(pathsOf(found), ['changed data.a'])
  const two = compare(
    [configMap('settings-2b9h5m7kf8')],
    [configMap('settings-9gt4ch2bdk'), configMap('settings-9gt4ch2bdh')],
  )
  assert.deepEqual(two.counts, { added: 2, removed: 1, changed: 0 })
})
