import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { parseSharedKind } from '../../../puller/install/shared-kinds.ts'

test('kinds that the puller watches everywhere are named as people name them, custom ones with their plural', () => {
  assert.deepEqual(parseSharedKind('Deployment.apps'), { group: 'apps', kind: 'Deployment', plural: 'deployments' })
  assert.deepEqual(parseSharedKind('ConfigMap'), { group: '', kind: 'ConfigMap', plural: 'configmaps' })
  assert.deepEqual(parseSharedKind('Bell.example.com=bells'), { group: 'example.com', kind: 'Bell', plural: 'bells' })
})

test('Secrets are refused however they are written, and so is what is no kind', () => {
  for (const text of [
    'Secret',
    'Secret=secrets',
    'Secrets=secrets',
    'Thing=secrets',
    'Bell.example.com',
    'deployment',
    '',
  ])
    assert.throws(() => parseSharedKind(text), { code: 'USAGE' }, text)
})

test('install prints the right to list and watch exactly those kinds, and none without', () => {
  const roles = (shared: readonly string[]) =>
    installObjects({ crdsOnly: true, shared: shared.map(parseSharedKind) })
      .filter(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name.endsWith('shared-watch'))
      .map(({ rules }) => (Array.isArray(rules) ? rules.filter(isJsonObject) : []))
  assert.deepEqual(roles([]), [])
  assert.deepEqual(roles(['Deployment.apps', 'ConfigMap']), [
    [
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['list', 'watch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'watch'] },
    ],
  ])
})
