import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storedVersionsRefusal } from '../../../puller/plan/stored-versions.ts'

function definition(versions: readonly string[], kind = 'CustomResourceDefinition') {
  const group = 'apiextensions.k8s.io'
  const metadata = { name: 'shops.example.com' }
  return {
    id: { group, kind, namespace: '', name: metadata.name },
    name: `${kind}.${group} shops.example.com`,
    object: { apiVersion: `${group}/v1`, kind, metadata, spec: { versions: versions.map((name) => ({ name })) } },
  }
}
const storing = (...storedVersions: string[]) => ({ status: { storedVersions } })

test('a definition that lacks a version in which objects are stored is refused, and the version is named', () => {
  const refusal = storedVersionsRefusal(definition(['v1']), storing('v1', 'v2'))
  assert.deepEqual(
    [refusal?.code, refusal?.object],
    ['CRD_VERSION_STORED', 'CustomResourceDefinition.apiextensions.k8s.io shops.example.com'],
  )
  assert.match(refusal?.message ?? '', /stored in v2,/)
})

test('a definition that has every stored version, and what is no definition, is let through', () => {
  assert.equal(storedVersionsRefusal(definition(['v1', 'v2']), storing('v1', 'v2')), undefined)
  assert.equal(storedVersionsRefusal(definition(['v1']), {}), undefined)
  assert.equal(storedVersionsRefusal(definition(['v1'], 'APIService'), storing('v2')), undefined)
})
