import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isKubeObject, type KubeObject } from '../../../contract/artifact/objects.ts'
import { adoptDrift } from '../../../puller/drift/adopt-drift.ts'
import { parsePathText } from '../../../puller/drift/path-text.ts'
import { type FieldPath, pathText } from '../../../puller/plan/managed-fields.ts'

const kube = (spec: object, metadata: object = {}): KubeObject => {
  const value = JSON.parse(
    JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'api', ...metadata }, spec }),
  )
  assert.ok(isKubeObject(value))
  return value
}
const containers = (...list: object[]) => ({ containers: list })

test('a path is read back as it was written, whatever is in its names and keys', () => {
  const name = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom('spec', 'a-b', 'tls.crt', '"]['))
  const key = fc.constantFrom('name', 'port', 'containerPort')
  const value = fc.oneof(fc.string({ maxLength: 8 }), fc.integer())
  const step = fc.oneof(
    name.map((field) => ({ field })),
    fc.dictionary(key, value, { minKeys: 1 }).map((keys) => ({ keys: { ...keys } })),
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (path: FieldPath) => {
      assert.deepEqual(parsePathText(pathText(path)), path)
    }),
  )
  for (const cut of ['', 'spec.', 'spec[', 'spec[name="a"', 'spec…', '[1]']) assert.equal(parsePathText(cut), undefined)
})

test('found values are taken over where they were declared, added and taken away; the rest stays as declared', () => {
  const declared = kube({ replicas: 2, paused: true, ...containers({ name: 'side' }, { name: 'app', image: 'a' }) })
  const live = kube({
    replicas: 5,
    extra: { deep: 1 },
    defaulted: true,
    ...containers({ name: 'app', image: 'b', port: 1 }, { name: 'side' }, { name: 'new', image: 'n' }),
  })
  const { object, patch, unclear } = adoptDrift(declared, live, [
    'spec.containers[name="app"].image',
    'spec.containers[name="new"].image',
    'spec.extra.deep',
    'spec.paused',
    'spec.replicas',
  ])
  assert.deepEqual(object.spec, {
    replicas: 5,
    extra: { deep: 1 },
    ...containers({ name: 'side' }, { name: 'app', image: 'b' }, { name: 'new', image: 'n' }),
  })
  assert.deepEqual(patch, [
    { op: 'replace', path: '/spec/containers/1/image', value: 'b' },
    { op: 'add', path: '/spec/containers/-', value: { name: 'new', image: 'n' } },
    { op: 'add', path: '/spec/extra', value: { deep: 1 } },
    { op: 'remove', path: '/spec/paused' },
    { op: 'replace', path: '/spec/replicas', value: 5 },
  ])
  assert.deepEqual(unclear, [])
})

test('what the puller puts on objects is nothing for Git, and what cannot be read is said', () => {
  const annotations = { 'waybill.dev/break-glass': 'why' }
  const live = kube({}, { labels: { 'applyset.kubernetes.io/part-of': 'else', team: 'x/y~z' }, annotations })
  const { object, patch, unclear } = adoptDrift(kube({}), live, [
    'metadata.labels["applyset.kubernetes.io/part-of"]',
    'metadata.annotations["waybill.dev/break-glass"]',
    'metadata.labels.team',
    'spec.containers[name="app"',
  ])
  assert.deepEqual(object.metadata, { name: 'api', labels: { team: 'x/y~z' } })
  assert.deepEqual(patch, [{ op: 'add', path: '/metadata/labels', value: { team: 'x/y~z' } }])
  assert.deepEqual(unclear, ['spec.containers[name="app"'])
})
