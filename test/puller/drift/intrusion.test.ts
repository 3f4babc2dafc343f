import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { intrusions, reclaim, withoutPaths } from '../../../puller/drift/intrusion.ts'
import { pathText } from '../../../puller/plan/managed-fields.ts'

const kind = { group: 'apps', kind: 'Deployment' }
const ours = {
  manager: 'waybill',
  operation: 'Apply',
  apiVersion: 'apps/v1',
  time: '2026-11-21T10:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:spec': {
      'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:name': {}, 'f:image': {} } } } },
    },
  },
}
const entry = (manager: string, template: object, more: object = {}) => ({
  ...ours,
  manager,
  operation: 'Update',
  fieldsV1: { ...more, 'f:spec': { 'f:template': template } },
})
const sidecar = entry(
  'injector',
  { 'f:spec': { 'f:containers': { 'k:{"name":"proxy"}': { '.': {}, 'f:name': {}, 'f:image': {} } } } },
  { 'f:metadata': { 'f:annotations': { 'f:injected': {} } } },
)
const variable = entry('kubectl-edit', {
  'f:spec': {
    'f:containers': {
      'k:{"name":"web"}': { 'f:env': { '.': {}, 'k:{"name":"DEBUG"}': { '.': {}, 'f:name': {}, 'f:value': {} } } },
    },
  },
})
const restart = entry('kubectl-rollout', {
  'f:metadata': { 'f:annotations': { '.': {}, 'f:kubectl.kubernetes.io/restartedAt': {} } },
})

const web = { name: 'web', image: 'web:1' }
function live(entries: readonly object[], containers: readonly object[] = [web]): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'api', uid: 'u', resourceVersion: '7', managedFields: JSON.parse(JSON.stringify(entries)) },
    spec: { template: { spec: { containers: JSON.parse(JSON.stringify(containers)) } } },
  }
}
const none = () => false
const paths = (object: KubeObject, ignored: Parameters<typeof intrusions>[2] = none) =>
  intrusions(kind, object, ignored).map(pathText)

test('a sidecar and a variable that others put into a pod template are seen, each as one', () => {
  assert.deepEqual(paths(live([ours, sidecar, variable])), [
    'spec.template.spec.containers[name="proxy"]',
    'spec.template.spec.containers[name="web"].env',
  ])
})

test('what others hold outside the pod template, hold together with us, or leave behind by a restart, is theirs', () => {
  const same = entry('argocd', ours.fieldsV1['f:spec']['f:template'])
  const scale = { ...entry('hpa', {}), fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
  assert.deepEqual(paths(live([ours, same, scale, restart])), [])
  assert.deepEqual(intrusions({ group: 'example.com', kind: 'Rollout' }, live([ours, sidecar]), none), [])
})

test('what an ignore rule names stays, also inside what goes', () => {
  const debug = { ...variable, fieldsV1: JSON.parse(JSON.stringify(variable.fieldsV1)) }
  const env = debug.fieldsV1['f:spec']['f:template']['f:spec']['f:containers']['k:{"name":"web"}']['f:env']
  env['k:{"name":"TRACE"}'] = { '.': {}, 'f:name': {}, 'f:value': {} }
  const ignored: Parameters<typeof intrusions>[2] = (path) => pathText(path).includes('TRACE')
  assert.deepEqual(paths(live([ours, debug]), ignored), ['spec.template.spec.containers[name="web"].env[name="DEBUG"]'])
})

test('what is taken away is foreseen, and the patch moves its ownership alone', () => {
  const object = live([ours, sidecar], [web, { name: 'proxy', image: 'proxy:1' }])
  assert.deepEqual(withoutPaths(object, intrusions(kind, object, none)).spec, {
    template: { spec: { containers: [web] } },
  })
  const patch = reclaim(kind, object, none)?.patch ?? []
  assert.deepEqual(patch.slice(0, 2), [
    { op: 'test', path: '/metadata/uid', value: 'u' },
    { op: 'test', path: '/metadata/resourceVersion', value: '7' },
  ])
  const [mine, theirs] = JSON.parse(JSON.stringify(patch[2]?.value))
  assert.deepEqual(Object.keys(mine.fieldsV1['f:spec']['f:template']['f:spec']['f:containers']), [
    'k:{"name":"web"}',
    'k:{"name":"proxy"}',
  ])
  assert.deepEqual(theirs.fieldsV1, { 'f:metadata': { 'f:annotations': { 'f:injected': {} } } })
  assert.equal(reclaim(kind, live([ours]), none), undefined)
})
