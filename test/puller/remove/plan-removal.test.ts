import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject, objectKey } from '../../../contract/artifact/objects.ts'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { digestOf } from '../../../contract/digest.ts'
import type { InventoryEntry } from '../../../puller/kinds.ts'
import { planRemoval } from '../../../puller/remove/plan-removal.ts'

const current = digestOf('what runs')
const context = { delivery: { uid: 'u' }, claimKey: Buffer.alloc(32), current, confirmed: undefined }

function member(kind: string, name: string, annotations: JsonObject = {}, uid = `uid-${name}`) {
  const entry: InventoryEntry = { group: '', kind, namespace: 'team', name, uid: `uid-${name}`, state: 'created' }
  const live = { apiVersion: 'v1', kind, metadata: { name, namespace: 'team', uid, resourceVersion: '7', annotations } }
  assert.ok(isKubeObject(live))
  return { entry, key: objectKey(entry), live, path: `/${name}` }
}

test('what comes last is deleted first, and each group before the next', () => {
  const { groups, changes } = planRemoval(context, [
    member('ConfigMap', 'config'),
    member('Service', 'late', { 'waybill.dev/wave': '2' }),
    member('Service', 'first'),
    member('Service', 'second', { 'waybill.dev/depends-on': '/namespaces/team/Service/first' }),
  ])
  assert.deepEqual(
    groups.map((group) => group.map(({ name, uid, resourceVersion }) => `${name} ${uid} ${resourceVersion}`)),
    ['late', 'second', 'first', 'config'].map((name) => [
      `${name === 'config' ? 'ConfigMap' : 'Service'} team/${name} uid-${name} 7`,
    ]),
  )
  assert.equal(changes.length, 4)
})

test('what is not ours any more is not deleted', () => {
  const { entry, key, path } = member('ConfigMap', 'gone')
  const { groups, changes } = planRemoval(context, [
    member('ConfigMap', 'replaced', {}, 'another'),
    { entry, key, path, live: undefined },
  ])
  assert.deepEqual([groups, changes], [[], []])
})

test('claims, Namespaces and what asks for it stay, unless the deletion of this Delivery with what runs was confirmed; what says never stays in any case', () => {
  const members = [
    member('PersistentVolumeClaim', 'disk'),
    member('ConfigMap', 'asks', { 'waybill.dev/prune': 'confirm' }),
    member('ConfigMap', 'never', { 'waybill.dev/prune': 'never' }),
    member('ConfigMap', 'plain'),
  ]
  const actions = (confirmed: string | undefined) =>
    planRemoval({ ...context, confirmed }, members).changes.map(
      ({ action, object }) => `${action} ${object.split('/')[1]}`,
    )
  assert.deepEqual(actions(undefined), ['forget asks', 'forget never', 'delete plain', 'forget disk'])
  for (const other of [current, `delete ${current}`, `delete another ${current}`, `delete u ${digestOf('another')}`])
    assert.deepEqual(actions(other), actions(undefined), other)
  assert.deepEqual(actions(`delete u ${current}`), ['delete asks', 'forget never', 'delete plain', 'delete disk'])
})

test('what nobody can look at is named, and the rest is planned', () => {
  const { entry, key } = member('ConfigMap', 'dead')
  const failure = { object: 'x', code: 'CLUSTER_FAILED', message: 'no answer' } as const
  const { stuck, groups } = planRemoval(context, [
    { entry, key, live: undefined, path: undefined, failure },
    member('ConfigMap', 'plain'),
  ])
  assert.deepEqual(stuck, [failure])
  assert.equal(groups.length, 1)
})

test('what was to be adopted and never was stays, and is named', () => {
  const { entry, ...rest } = member('ConfigMap', 'theirs')
  const { groups, kept } = planRemoval(context, [{ ...rest, entry: { ...entry, state: 'adopted' } }])
  assert.deepEqual([groups, kept.map(({ object }) => object)], [[], ['ConfigMap team/theirs']])
})
