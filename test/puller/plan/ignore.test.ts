import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isIgnored } from '../../../puller/plan/ignore.ts'
import type { FieldPath } from '../../../puller/plan/managed-fields.ts'
import { matchesObject } from '../../../puller/plan/object-pattern.ts'

const api = { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'api' }
const replicas: FieldPath = [{ field: 'spec' }, { field: 'replicas' }]
const containers: FieldPath = ['spec', 'template', 'spec', 'containers'].map((field) => ({ field }))
const image = (name: string): FieldPath => [...containers, { keys: { name } }, { field: 'image' }]

test('a rule is for the objects of its kind, namespace and name, and a star stands for any text', () => {
  const matches = (pattern: object) => matchesObject(pattern, api)
  assert.ok(matches({}))
  assert.ok(matches({ kind: 'Deployment.apps', namespace: 'sh*', name: '*' }))
  assert.ok(matches({ name: 'a*i' }))
  for (const pattern of [
    { kind: 'Deployment' },
    { kind: 'StatefulSet.apps' },
    { namespace: 'sho' },
    { name: '*b*' },
    { name: 'api*i' },
    { name: 'ap*pi' },
  ])
    assert.ok(!matches(pattern), JSON.stringify(pattern))
})

test('a pattern of very many stars is answered at once', () => {
  assert.ok(!matchesObject({ name: '*a'.repeat(120) }, { ...api, name: `${'a'.repeat(119)}b` }))
})

test('what a pointer names is ignored with all that is in it, and nothing else is', () => {
  const rules = [{ kind: 'Deployment.apps', fields: ['/spec/replicas', '/metadata/annotations/a~1b~0c'] }]
  const ignored = (path: FieldPath, id = api) => isIgnored(rules, { id }, path)
  assert.ok(ignored(replicas))
  assert.ok(ignored([...replicas, { field: 'inside' }]))
  assert.ok(ignored([{ field: 'metadata' }, { field: 'annotations' }, { field: 'a/b~c' }]))
  assert.ok(!ignored([{ field: 'spec' }]))
  assert.ok(!ignored([{ field: 'spec' }, { field: 'paused' }]))
  assert.ok(!ignored(replicas, { ...api, kind: 'StatefulSet' }))
})

test('an index means the item that the artifact has there, by the keys of the list', () => {
  const rules = [{ fields: ['/spec/template/spec/containers/1/image'] }]
  const declared = {
    spec: { template: { spec: { containers: [{ name: 'app' }, { name: 'side' }] } } },
  }
  assert.ok(isIgnored(rules, { id: api, declared }, image('side')))
  assert.ok(!isIgnored(rules, { id: api, declared }, image('app')))
  assert.ok(isIgnored(rules, { id: api }, image('app')), 'nobody knows which it is')
  const ports = { spec: { ports: [{ port: 80 }] } }
  const port: FieldPath = [{ field: 'spec' }, { field: 'ports' }, { keys: { port: 80, protocol: 'TCP' } }]
  assert.ok(
    isIgnored([{ fields: ['/spec/ports/0/nodePort'] }], { id: api, declared: ports }, [...port, { field: 'nodePort' }]),
  )
})

test('the annotation of the attribution policy is never drift', () => {
  const annotation = (field: string): FieldPath => [{ field: 'metadata' }, { field: 'annotations' }, { field }]
  assert.ok(isIgnored(undefined, { id: api }, annotation('waybill.dev/changed-by')))
  assert.ok(!isIgnored(undefined, { id: api }, annotation('waybill.dev/wave')))
})
