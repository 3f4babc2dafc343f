import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject, type KubeObject } from '../../../contract/artifact/objects.ts'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { heldPaths, pathText } from '../../../puller/plan/managed-fields.ts'
import { adoptionOf, takeOver } from '../../../puller/plan/take-over.ts'

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const kube = (value: unknown): KubeObject => {
  const plain = JSON.parse(JSON.stringify(value))
  assert.ok(isKubeObject(plain))
  return plain
}
const entry = (manager: string, fieldsV1: object, more: object = {}) => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  fieldsType: 'FieldsV1',
  fieldsV1,
  ...more,
})
const data = (...keys: string[]) => ({ 'f:data': Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) })
const object = (managedFields: object[], annotations: object = {}) =>
  kube({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x', uid: 'u', resourceVersion: '7', annotations, managedFields },
    data: { a: '1', b: '2', c: '3' },
  })
const never = () => false
const managers = (live: KubeObject, ignored = never as Parameters<typeof takeOver>[2]) =>
  takeOver(live, 'v1', ignored)?.managers
const texts = (fields: unknown) =>
  isJsonObject(fields) ? [...heldPaths(fields).values()].map(pathText).sort() : undefined

test('what kubectl, Flux, Argo CD and Helm hold becomes ours; autoscalers, hand edits and subresources keep theirs', () => {
  for (const manager of ['kubectl-client-side-apply', 'kustomize-controller', 'argocd-controller', 'helm'])
    assert.deepEqual(managers(object([entry(manager, data('a'))])), [manager])
  for (const kept of [
    entry('kube-controller-manager', data('a')),
    entry('kubectl-edit', data('a')),
    entry('kubectl-rollout', data('a')),
    entry('kubectl', data('a'), { subresource: 'scale' }),
    entry('helm', data('a'), { apiVersion: 'v1beta1' }),
    entry('waybill', data('a'), { operation: 'Apply' }),
  ])
    assert.equal(managers(object([kept])), undefined, kept.manager)
})

test('the patch holds for one version of the object, joins what they held into our entry, and takes kubectl’s copy away', () => {
  const stays = entry('autoscaler', data('c'))
  const csa = entry('kubectl-client-side-apply', data('a', 'b'), { time: '2026-11-21T10:00:00Z' })
  const flux = entry('kustomize-controller', data('b', 'd'), { operation: 'Apply', time: '2026-11-21T11:00:00Z' })
  const live = object([csa, stays, flux], { [LAST_APPLIED]: '{}' })
  const move = takeOver(live, 'v1', never)
  assert.deepEqual(move?.patch, [
    { op: 'test', path: '/metadata/uid', value: 'u' },
    { op: 'test', path: '/metadata/resourceVersion', value: '7' },
    { op: 'test', path: '/metadata/managedFields', value: [csa, stays, flux] },
    {
      op: 'replace',
      path: '/metadata/managedFields',
      value: [
        stays,
        {
          ...entry('waybill', data('a', 'b', 'd'), { operation: 'Apply', time: '2026-11-21T11:00:00Z' }),
        },
      ],
    },
    { op: 'remove', path: '/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration' },
  ])
})

test('an ignored field is then held by nobody, so that our apply does not reset it', () => {
  const live = object([entry('kubectl-client-side-apply', data('a', 'b'))])
  const move = takeOver(live, 'v1', (path) => pathText(path) === 'data.b')
  assert.deepEqual(texts(move?.fields), ['data.a'])
})

test('the plan of an adoption names what changes or goes, because Git does not have it, and not what only gets another holder', () => {
  const live = object([entry('helm', data('a', 'b')), entry('autoscaler', data('b', 'c'))])
  const gone = object([entry('helm', data('a', 'c'))])
  const dryRun = object([entry('waybill', data('a'), { operation: 'Apply' })])
  const adopt = (from: KubeObject) => adoptionOf(from, dryRun, never)
  assert.deepEqual(adopt(live).fields, [])
  assert.deepEqual(adopt(gone).fields, ['data.c'])
  assert.deepEqual(adoptionOf(gone, { ...dryRun, data: { a: '2', b: '2', c: '3' } }, never).fields, [
    'data.a',
    'data.c',
  ])
  assert.equal(adopt(gone).manager, 'helm')
  assert.equal(adopt(gone).values, undefined)
})
