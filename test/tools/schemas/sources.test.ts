import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enumsOf } from '../../../tools/schemas/enums.ts'
import { groupNameOf, lifecyclesOf } from '../../../tools/schemas/lifecycle.ts'
import { minorData, parseOpenApi } from '../../../tools/schemas/openapi.ts'

const GO_OPENAPI = `
func schema_k8sio_api_core_v1_Pod(ref common.ReferenceCallback) common.OpenAPIDefinition {
\t\t\t\tProperties: map[string]spec.Schema{
\t\t\t\t\t"policy": {
\t\t\t\t\t\tSchemaProps: spec.SchemaProps{
\t\t\t\t\t\t\tEnum:        []interface{}{"B", "A"},
\t\t\t\t\t"modes": {
\t\t\t\t\t\t\t\t\t\tEnum:        []interface{}{"C"},
`

const REF = '#/components/schemas/io.k8s.api.core.v1'

const OPENAPI = {
  paths: {
    '/api/v1/namespaces/{namespace}/pods/{name}': {
      patch: {
        'x-kubernetes-group-version-kind': { group: '', version: 'v1', kind: 'Pod' },
        responses: { 200: { content: { 'application/json': { schema: { $ref: `${REF}.Pod` } } } } },
      },
    },
    '/api/v1/namespaces/{namespace}/pods/{name}/status': {
      patch: { 'x-kubernetes-group-version-kind': { group: '', version: 'v1', kind: 'Pod' } },
    },
  },
  components: {
    schemas: {
      'io.k8s.api.core.v1.Pod': {
        description: 'A Pod',
        type: 'object',
        required: ['spec', 'policy'],
        properties: {
          spec: { allOf: [{ $ref: `${REF}.PodSpec` }], default: {}, description: 'x' },
          policy: { type: 'string', default: '' },
          modes: { type: 'array', items: { type: 'string', default: '' } },
          status: { allOf: [{ $ref: `${REF}.PodStatus` }], default: {} },
        },
        'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: 'Pod' }],
      },
      'io.k8s.api.core.v1.PodSpec': { type: 'object', properties: { description: { type: 'string' } } },
      'io.k8s.api.core.v1.PodStatus': { type: 'object' },
      'io.k8s.api.core.v1.PodList': { type: 'object' },
    },
  },
}

test('a release’s data has the kinds that can be applied, and what they lead to, without words and status', () => {
  assert.deepEqual(minorData('1.36.3', [parseOpenApi(JSON.stringify(OPENAPI))], enumsOf(GO_OPENAPI)), [
    { release: '1.36.3' },
    { apiVersion: 'v1', kind: 'Pod', resource: 'pods', namespaced: true, definition: 'io.k8s.api.core.v1.Pod' },
    {
      name: 'io.k8s.api.core.v1.Pod',
      schema: {
        type: 'object',
        properties: {
          spec: { $ref: `${REF}.PodSpec`, default: {} },
          policy: { type: 'string', enum: ['A', 'B'] },
          modes: { type: 'array', items: { type: 'string', enum: ['C'] } },
        },
        required: ['spec', 'policy'],
      },
    },
    { name: 'io.k8s.api.core.v1.PodSpec', schema: { type: 'object', properties: { description: { type: 'string' } } } },
  ])
})

test('an enum that is written in another way than we read stops the generator', () => {
  assert.throws(() => enumsOf(GO_OPENAPI.replace('[]interface{}{"C"}', 'values')), /written in another way/)
})

test('lifecycles are read by kind, without lists and without what is not deprecated', () => {
  const says = (kind: string, what: string, value: string) =>
    `func (in *${kind}) APILifecycle${what}() (x int) {\n\treturn ${value}\n}\n`
  const go = [
    says('Old', 'Introduced', '1, 1'),
    says('Old', 'Deprecated', '1, 8'),
    says('Old', 'Removed', '1, 16'),
    says('Old', 'Replacement', 'schema.GroupVersionKind{Group: "", Version: "v1", Kind: "New"}'),
    says('OldList', 'Deprecated', '1, 8'),
    says('New', 'Introduced', '1, 9'),
  ].join('\n')
  const group = groupNameOf('// +groupName=apps', '')
  assert.deepEqual(lifecyclesOf(group, 'v1beta1', go), [
    {
      apiVersion: 'apps/v1beta1',
      kind: 'Old',
      deprecated: '1.8',
      removed: '1.16',
      successor: { apiVersion: 'v1', kind: 'New' },
    },
  ])
  assert.equal(groupNameOf('', 'const GroupName = "policy"'), 'policy')
})
