import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, useControlPlane } from '../../real/control-plane.ts'

// docs/decisions/0002-create-only.md rests on each cell of this table.
const KINDS = [
  ['configmaps', '/api/v1', { apiVersion: 'v1', kind: 'ConfigMap' }, { data: { a: '1' } }],
  [
    'services',
    '/api/v1',
    { apiVersion: 'v1', kind: 'Service' },
    { spec: { ports: [{ port: 80 }], selector: { a: 'b' } } },
  ],
  [
    'deployments',
    '/apis/apps/v1',
    { apiVersion: 'apps/v1', kind: 'Deployment' },
    {
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'app', image: 'x' }] } },
      },
    },
  ],
] as const

for (const [plural, base, type, content] of KINDS)
  test(`an apply with version 1 creates ${plural} and never changes one, an apply with a uid never creates or changes another`, async () => {
    const cluster = await useControlPlane()
    const namespace = await cluster.freshNamespace()
    const apply = (metadata: object, dryRun = false) =>
      cluster.api(
        'PATCH',
        `${base}/namespaces/${namespace}/${plural}/x?fieldManager=waybill&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
        {
          body: { ...type, metadata: { name: 'x', namespace, ...metadata }, ...content },
          contentType: 'application/apply-patch+yaml',
        },
      )
    const other = '00000000-0000-4000-8000-000000000000'
    assert.equal((await apply({ uid: other })).status, 409)
    assert.equal((await apply({ resourceVersion: '1' }, true)).status, 201)
    const created = await apply({ resourceVersion: '1' })
    assert.equal(created.status, 201)
    const uid = field(created.body, 'metadata', 'uid')
    assert.equal((await apply({ resourceVersion: '1' })).status, 409)
    assert.equal((await apply({ resourceVersion: '1' }, true)).status, 409)
    assert.equal((await apply({ uid })).status, 200)
    const wrong = await apply({ uid: other })
    assert.equal(wrong.status, 422)
    assert.equal(field(wrong.body, 'details', 'causes', 0, 'field'), 'metadata.uid')
    // Why nothing less will do.
    assert.equal((await apply({ resourceVersion: '0' }, true)).status, 200)
    assert.equal((await apply({}, true)).status, 200)
  })
