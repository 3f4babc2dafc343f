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

type Subject = {
  readonly path: string
  readonly type: object
  readonly metadata: object
  readonly content: object
  /** What a version of 0 is answered where the object exists. */
  readonly zero?: number
}

for (const [plural, base, type, content] of KINDS)
  test(`an apply with version 1 creates ${plural} and never changes one, an apply with a uid never creates or changes another`, async () => {
    const namespace = await (await useControlPlane()).freshNamespace()
    const path = `${base}/namespaces/${namespace}/${plural}/x`
    await holdsTheTable({ path, type, metadata: { name: 'x', namespace }, content })
  })

test('the same holds for a Namespace', async () => {
  const name = await freshName()
  const type = { apiVersion: 'v1', kind: 'Namespace' }
  await holdsTheTable({ path: `/api/v1/namespaces/${name}`, type, metadata: { name }, content: {} })
})

test('the same holds for a CRD, and for an object of its kind', async (t) => {
  const cluster = await useControlPlane()
  const group = `${await freshName()}.example.com`
  const name = `things.${group}`
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`
  t.after(() => cluster.api('DELETE', path))
  const schema = { openAPIV3Schema: { type: 'object', properties: { size: { type: 'integer' } } } }
  const names = { kind: 'Thing', plural: 'things', singular: 'thing', listKind: 'ThingList' }
  const versions = [{ name: 'v1', served: true, storage: true, schema }]
  await holdsTheTable({
    path,
    type: { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
    metadata: { name },
    content: { spec: { group, scope: 'Namespaced', names, versions } },
    zero: 422,
  })
  const namespace = await cluster.freshNamespace()
  const things = `/apis/${group}/v1/namespaces/${namespace}/things`
  while ((await cluster.api('GET', things)).status !== 200) await new Promise((resolve) => setTimeout(resolve, 100))
  await holdsTheTable({
    path: `${things}/x`,
    type: { apiVersion: `${group}/v1`, kind: 'Thing' },
    metadata: { name: 'x', namespace },
    content: { size: 1 },
    zero: 422,
  })
})

/** A name that nothing in the cluster has yet. */
async function freshName(): Promise<string> {
  return `${await (await useControlPlane()).freshNamespace()}-x`
}

async function holdsTheTable({ path, type, metadata, content, zero = 200 }: Subject): Promise<void> {
  const cluster = await useControlPlane()
  const apply = (extra: object, dryRun = false) =>
    cluster.api(
      'PATCH',
      `${path}?fieldManager=waybill&force=true&fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`,
      {
        body: { ...type, metadata: { ...metadata, ...extra }, ...content },
        contentType: 'application/apply-patch+yaml',
      },
    )
  const other = '00000000-0000-4000-8000-000000000000'
  assert.equal((await apply({ uid: other })).status, 409)
  // What the other two rows of an absent object say.
  assert.equal((await apply({}, true)).status, 201)
  assert.equal((await apply({ resourceVersion: '0' }, true)).status, 201)
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
  assert.equal((await apply({ resourceVersion: '0' }, true)).status, zero)
  assert.equal((await apply({}, true)).status, 200)
}
