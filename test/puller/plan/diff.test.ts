import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKubeObject } from '../../../contract/artifact/objects.ts'
import { differenceOf } from '../../../puller/plan/diff.ts'
import { ignoreTest } from '../../../puller/plan/ignore.ts'
import { ownersOf } from '../../../puller/plan/ownership.ts'

const OURS = { manager: 'waybill', operation: 'Apply', time: '2026-11-21T10:00:00Z' }
const spec = (replicas: number, image: string) => ({
  replicas,
  template: {
    spec: {
      containers: [
        { name: 'app', image },
        { name: 'side', image: 's' },
      ],
    },
  },
})
const ourFields = {
  'f:spec': {
    'f:replicas': {},
    'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"app"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
  },
}
const object = (value: object, entries: object[], more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'x', managedFields: entries, ...more },
  spec: value,
})
const plain = (value: object) => JSON.parse(JSON.stringify(value))

test('status, bookkeeping and times are no difference', () => {
  const a = object(spec(1, 'a'), [{ ...OURS, fieldsV1: ourFields }], { resourceVersion: '1', generation: 1 })
  const b = object(spec(1, 'a'), [{ ...OURS, time: '2027-01-01T00:00:00Z', fieldsV1: ourFields }], {
    resourceVersion: '2',
    generation: 2,
  })
  assert.deepEqual(differenceOf(plain({ ...a, status: { x: 1 } }), plain(b)), { fields: [] })
})

test('a changed field is named by the keys of its list, with who holds it and since when', () => {
  const scaled = { 'f:spec': { 'f:replicas': {} } }
  const { 'f:replicas': _, ...rest } = ourFields['f:spec']
  const live = object(spec(5, 'a'), [
    { ...OURS, fieldsV1: { 'f:spec': rest } },
    { manager: 'kubectl', operation: 'Update', subresource: 'scale', time: '2026-11-21T11:00:00Z', fieldsV1: scaled },
  ])
  const dryRun = object(spec(2, 'b'), [{ ...OURS, fieldsV1: ourFields }])
  assert.deepEqual(differenceOf(plain(live), plain(dryRun)), {
    fields: ['spec.replicas', 'spec.template.spec.containers[name="app"].image'],
    manager: 'kubectl',
    operation: 'Update',
    since: '2026-11-21T11:00:00Z',
    values: [
      { field: 'spec.replicas', declared: '2', found: '5' },
      { field: 'spec.template.spec.containers[name="app"].image', declared: '"b"', found: '"a"' },
    ],
  })
})

test('what is ignored is no difference, and neither is the annotation of the attribution policy, which names the user', () => {
  const scaled = { manager: 'autoscaler', operation: 'Update', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
  const live = (image: string) =>
    plain(
      object(spec(5, image), [{ ...OURS, fieldsV1: ourFields }, scaled], {
        annotations: { 'waybill.dev/changed-by': 'alice@example.com 2026-11-21T11:00:00Z' },
      }),
    )
  const dryRun = plain(object(spec(2, 'a'), [{ ...OURS, fieldsV1: ourFields }], { annotations: {} }))
  const id = { group: 'apps', kind: 'Deployment', namespace: '', name: 'x' }
  const ignored = ignoreTest([{ fields: ['/spec/replicas'] }], { id, declared: dryRun })
  assert.deepEqual(differenceOf(live('a'), dryRun, ignored), { fields: [] })
  const found = differenceOf(live('b'), dryRun, ignored)
  assert.deepEqual(found.fields, ['spec.template.spec.containers[name="app"].image'])
  assert.equal(found.user, 'alice@example.com')
})

test('values are cut, and none is said of a Secret', () => {
  const map = (text: string, kind: string) =>
    plain({ apiVersion: 'v1', kind, metadata: { name: 's' }, data: { a: text } })
  const [value] = differenceOf(map('x'.repeat(1000), 'ConfigMap'), map('y', 'ConfigMap')).values ?? []
  assert.equal(value?.declared, '"y"')
  assert.equal(value?.found?.length, 256)
  assert.equal(differenceOf(map('x', 'Secret'), map('y', 'Secret')).values, undefined)
})

test('a field that our entry lost is drift even where its value is the same', () => {
  const live = object(spec(1, 'a'), [{ ...OURS, fieldsV1: { 'f:spec': { 'f:replicas': {} } } }])
  const dryRun = object(spec(1, 'a'), [{ ...OURS, fieldsV1: ourFields }])
  assert.deepEqual(differenceOf(plain(live), plain(dryRun)).fields, [
    'spec.template.spec.containers[name="app"].image',
    'spec.template.spec.containers[name="app"].name',
  ])
})

test('a difference says keys of Secrets and never values', () => {
  const secret = (data: object) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data })
  const found = differenceOf(
    plain(secret({ 'tls.key': 'b25l', password: 'x' })),
    plain(secret({ 'tls.key': 'dHdv', password: 'x' })),
  )
  assert.deepEqual(found, { fields: ['data["tls.key"]'] })
})

test('what is in a set is a value, so a change of a set names the list', () => {
  const held = (item: string) => [{ ...OURS, fieldsV1: { 'f:metadata': { 'f:finalizers': { [`v:"${item}"`]: {} } } } }]
  const found = differenceOf(
    plain(object({}, held('secret-a'), { finalizers: ['secret-a'] })),
    plain(object({}, held('secret-b'), { finalizers: ['secret-b'] })),
  )
  assert.deepEqual(found.fields, ['metadata.finalizers'])
})

test('owners are named: references, ApplySets, Helm, Flux, Argo CD, kubectl and other appliers', () => {
  const owners = (metadata: object) => {
    const live = plain({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', ...metadata } })
    assert.ok(isKubeObject(live))
    return ownersOf(live, 'applyset-ours-v1')
  }
  assert.deepEqual(owners({}), [])
  assert.deepEqual(owners({ labels: { 'applyset.kubernetes.io/part-of': 'applyset-ours-v1' } }), [])
  assert.deepEqual(owners({ labels: { 'applyset.kubernetes.io/part-of': 'applyset-else-v1' } }), [
    'ApplySet applyset-else-v1',
  ])
  assert.deepEqual(owners({ ownerReferences: [{ kind: 'ReplicaSet', name: 'r' }] }), ['ReplicaSet r'])
  assert.deepEqual(owners({ labels: { 'app.kubernetes.io/managed-by': 'Helm' } }), ['Helm'])
  assert.deepEqual(owners({ annotations: { 'meta.helm.sh/release-name': 'r' } }), ['Helm release r'])
  assert.deepEqual(owners({ labels: { 'kustomize.toolkit.fluxcd.io/name': 'k' } }), ['Flux Kustomization k'])
  assert.deepEqual(owners({ annotations: { 'argocd.argoproj.io/tracking-id': 'a:v1' } }), ['Argo CD a:v1'])
  assert.deepEqual(
    owners({ annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"password":"x"}' } }),
    ['kubectl apply'],
  )
  assert.deepEqual(owners({ managedFields: [{ manager: 'flux', operation: 'Apply' }, OURS] }), ['field manager flux'])
})

test('what stands in an environment variable is never said: people set passwords there by hand', () => {
  const held = { 'k:{"name":"app"}': { 'f:env': { 'k:{"name":"PASSWORD"}': { 'f:name': {}, 'f:value': {} } } } }
  const byHand = { manager: 'kubectl-set', operation: 'Update' }
  const pod = (containers: object[], keys: object = {}) =>
    plain(
      object({ template: { spec: { containers } } }, [
        { ...byHand, fieldsV1: { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': keys } } } } },
      ]),
    )
  const env = (value: string) => [{ name: 'PASSWORD', value }]
  for (const [found, declared] of [
    [pod([{ name: 'app', env: env('hunter2') }], held), pod([{ name: 'app', env: env('changeme') }])],
    [pod([{ name: 'app', image: 'a', env: env('hunter2') }]), pod([{ name: 'app', image: 'a' }])],
    [pod([{ name: 'app' }, { name: 'side', env: env('hunter2') }]), pod([{ name: 'app' }])],
  ] as const) {
    const difference = differenceOf(found, declared)
    assert.equal(difference.values?.length, difference.fields.length)
    assert.ok(difference.fields.length > 0)
    assert.doesNotMatch(JSON.stringify(difference), /hunter2|changeme/)
  }
})
