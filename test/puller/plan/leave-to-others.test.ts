import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject, type KubeObject, objectId, objectKey, objectName } from '../../../contract/artifact/objects.ts'
import { ignoreTest } from '../../../puller/plan/ignore.ts'
import { leaveToOthers } from '../../../puller/plan/leave-to-others.ts'
import type { FieldPath } from '../../../puller/plan/managed-fields.ts'

const kube = (value: unknown): KubeObject => {
  const plain = JSON.parse(JSON.stringify(value))
  assert.ok(isKubeObject(plain))
  return plain
}
const containers = (...list: object[]) => ({ template: { spec: { containers: list } } })
const deployment = (spec: object, managedFields: object[] = []) =>
  kube({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'api', managedFields }, spec })
const held = (manager: string, fieldsV1: object, operation = manager === 'waybill' ? 'Apply' : 'Update') => ({
  manager,
  operation,
  fieldsV1,
})
const replicas = { 'f:spec': { 'f:replicas': {} } }
const items = (fields: Record<string, object>) => ({
  'f:spec': { 'f:template': { 'f:spec': { 'f:containers': fields } } },
})

function left(declared: object, live: KubeObject | undefined, ...fields: string[]) {
  const object = deployment(declared)
  const id = objectId(object)
  const desired = { object, id, key: objectKey(id), name: objectName(id) }
  const one = { ...desired, resource: undefined, crd: undefined, kindInSet: false, runsOnce: false, stage: 3 }
  return leaveToOthers([{ fields }], one, live)
}

const applied = (...args: Parameters<typeof left>): unknown => left(...args).object.spec

test('a new object gets all that was declared', () => {
  assert.deepEqual(applied({ replicas: 2 }, undefined, '/spec/replicas'), { replicas: 2 })
})

test('while nobody else holds an ignored field, it is applied as it is found, or it would be reset', () => {
  const live = deployment({ replicas: 2 }, [held('waybill', replicas)])
  assert.deepEqual(applied({ replicas: 7, paused: true }, live, '/spec/replicas'), { replicas: 2, paused: true })
})

test('once another manager holds it, it is left out, also where we held it together', () => {
  const hpa = held('autoscaler', replicas)
  for (const entries of [[hpa], [hpa, held('waybill', replicas)], []])
    assert.deepEqual(applied({ replicas: 2 }, deployment({ replicas: 5 }, entries), '/spec/replicas'), {})
})

test('of a map, the keys that are ours alone stay as they are found, and the others are left out', () => {
  const selector = { 'f:spec': { 'f:template': { 'f:spec': { 'f:nodeSelector': { 'f:a': {}, 'f:b': {} } } } } }
  const theirs = { 'f:spec': { 'f:template': { 'f:spec': { 'f:nodeSelector': { 'f:b': {}, 'f:c': {} } } } } }
  const nodes = (nodeSelector: object) => ({ template: { spec: { nodeSelector } } })
  const live = deployment(nodes({ a: '1', b: '2', c: '3' }), [held('waybill', selector), held('else', theirs)])
  const found = applied(nodes({ a: '9', b: '9', d: '9' }), live, '/spec/template/spec/nodeSelector')
  assert.deepEqual(found, nodes({ a: '1' }))
})

test('an index is followed to the item of the same keys, wherever it stands in the live list', () => {
  const live = deployment(
    containers({ name: 'injected' }, { name: 'side', image: 'live' }, { name: 'app', image: 'a' }),
    [
      held(
        'waybill',
        items({ 'k:{"name":"app"}': { 'f:image': {} }, 'k:{"name":"side"}': { 'f:image': {}, 'f:name': {} } }),
      ),
    ],
  )
  const declared = containers({ name: 'app', image: 'b' }, { name: 'side', image: 'declared' })
  assert.deepEqual(
    applied(declared, live, '/spec/template/spec/containers/1/image'),
    containers({ name: 'app', image: 'b' }, { name: 'side', image: 'live' }),
  )
})

test('what an ignored field is in and is new gets all that was declared', () => {
  const live = deployment(containers({ name: 'app' }), [
    held('waybill', items({ 'k:{"name":"app"}': { 'f:name': {} } })),
  ])
  const declared = containers({ name: 'app' }, { name: 'new', image: 'x' })
  assert.deepEqual(applied(declared, live, '/spec/template/spec/containers/1/image'), declared)
})

test('whole items that are ignored do not change which items the other rules mean', () => {
  const names = ['a', 'b', 'c']
  const live = deployment(containers(...names.map((name) => ({ name, image: 'live' }))), [
    held('else', items(Object.fromEntries(names.map((name) => [`k:{"name":"${name}"}`, { '.': {}, 'f:image': {} }])))),
  ])
  const declared = containers(...names.map((name) => ({ name, image: 'declared' })))
  const fields = ['0', '2/image', '0/image'].map((at) => `/spec/template/spec/containers/${at}`)
  assert.deepEqual(applied(declared, live, ...fields), containers({ name: 'b', image: 'declared' }, { name: 'c' }))
})

test('inside a list that is applied as a whole, the item keeps what is found in it', () => {
  const args = { 'f:spec': { 'f:list': {} } }
  const live = deployment({ list: [{ x: 'live' }, { x: 'live' }] }, [held('waybill', args)])
  assert.deepEqual(applied({ list: [{ x: 'a' }, { x: 'b' }] }, live, '/spec/list/1/x'), {
    list: [{ x: 'a' }, { x: 'live' }],
  })
})

test('a whole item that was left out is still known by its place in the release', () => {
  const theirs = held('else', items({ 'k:{"name":"a"}': { '.': {} } }))
  const live = deployment(containers({ name: 'a' }, { name: 'b' }), [theirs])
  const pointer = '/spec/template/spec/containers/0'
  const { id, declared, object } = left(containers({ name: 'a' }, { name: 'b' }), live, pointer)
  const path: FieldPath = [
    ...['spec', 'template', 'spec', 'containers'].map((field) => ({ field })),
    { keys: { name: 'a' } },
  ]
  const isIgnored = (as: KubeObject | undefined) => ignoreTest([{ fields: [pointer] }], { id, declared: as })(path)
  assert.deepEqual([isIgnored(declared), isIgnored(object)], [true, false])
})
