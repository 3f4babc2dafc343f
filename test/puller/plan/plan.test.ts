import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isKubeObject, type KubeObject, objectId, objectKey } from '../../../contract/artifact/objects.ts'
import { parseDigest } from '../../../contract/digest.ts'
import type { InventoryEntry } from '../../../puller/kinds.ts'
import { claimOf } from '../../../puller/plan/claim.ts'
import { applySetId, type DesiredObject, prepare } from '../../../puller/plan/desired.ts'
import type { Gathered, Looked } from '../../../puller/plan/gather.ts'
import type { Inventory } from '../../../puller/plan/inventory.ts'
import { planChanges } from '../../../puller/plan/plan.ts'
import type { PlanContext } from '../../../puller/plan/plan-context.ts'
import { stageOf } from '../../../puller/plan/stages.ts'

const context: PlanContext = {
  delivery: { name: 'shop', namespace: 'team', uid: 'delivery-uid' },
  account: { namespace: 'team', serviceAccount: 'waybill' },
  digest: parseDigest(`sha256:${'1'.repeat(64)}`),
  adopt: 'never',
  prune: { enabled: true, maxPercent: 30 },
  confirmed: undefined,
  environment: 'production',
  claimKey: Buffer.alloc(32, 1),
}
/** Nothing here asks for a confirmation. */
const unguarded = { ...context, prune: { enabled: true, maxPercent: 100 } }
const resources = new Map([
  ['v1 ConfigMap', { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }],
  ['v1 Namespace', { group: '', version: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false }],
])

function kube(value: unknown): KubeObject {
  const plain = JSON.parse(JSON.stringify(value))
  assert.ok(isKubeObject(plain))
  return plain
}

const configMap = (name: string, metadata: object = {}, data: object = { a: '1' }) =>
  kube({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'team', ...metadata }, data })

function desired(name: string): DesiredObject {
  const [one] = prepare([configMap(name)], context, resources)
  assert.ok(one)
  return one
}

const entry = (name: string, more: Partial<InventoryEntry> = {}): InventoryEntry => ({
  group: '',
  kind: 'ConfigMap',
  namespace: 'team',
  name,
  uid: `uid-${name}`,
  state: 'created',
  ...more,
})
const inventory = (...entries: InventoryEntry[]): Inventory => ({
  entries: new Map(entries.map((one) => [objectKey(one), one])),
  shards: [],
})
const looked = (name: string, more: Partial<Looked> = {}): Looked => ({
  desired: desired(name),
  live: undefined,
  dryRun: undefined,
  ...more,
})
const leftover = (one: InventoryEntry, live: KubeObject | undefined) => ({
  entry: one,
  key: objectKey(one),
  live,
  path: `/api/v1/namespaces/team/configmaps/${one.name}`,
})
const gathered = (objects: Looked[], leftovers: Gathered['leftovers'] = []): Gathered => ({ objects, leftovers })
const live = (name: string, more: object = {}) => configMap(name, { uid: `uid-${name}`, resourceVersion: '5', ...more })

test('a namespaced object without a namespace gets the Delivery’s, a cluster-scoped one none', () => {
  const objects = [
    kube({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }),
    kube({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b', namespace: 'else' } }),
    kube({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'c', namespace: 'team' } }),
  ]
  assert.deepEqual(
    prepare(objects, context, resources).map(({ name }) => name),
    ['ConfigMap team/a', 'ConfigMap else/b', 'Namespace c'],
  )
})

test('every object carries the ApplySet label of KEP-3659 and a claim for its own name', () => {
  const [one] = prepare([configMap('a', { labels: { x: 'y' } })], context, resources)
  const id = applySetId(context.delivery)
  assert.match(id, /^applyset-[\w-]{43}-v1$/)
  assert.deepEqual(one?.object.metadata.labels, { x: 'y', 'applyset.kubernetes.io/part-of': id })
  const claim = claimOf(context.claimKey, context.delivery.uid, one?.key ?? '')
  assert.deepEqual(one?.object.metadata.annotations, { 'waybill.dev/claim': claim })
  assert.match(claim, /^[\w-]{22}$/)
})

test('claims differ by Delivery, by object and by key, and are the same each time', () => {
  const claims = [
    claimOf(context.claimKey, 'a', 'x'),
    claimOf(context.claimKey, 'b', 'x'),
    claimOf(context.claimKey, 'a', 'y'),
    claimOf(Buffer.alloc(32, 2), 'a', 'x'),
  ]
  assert.equal(new Set(claims).size, 4)
  assert.equal(claimOf(context.claimKey, 'a', 'x'), claims[0])
})

test('namespaces and CRDs come first, what stands in the way of requests last', () => {
  const stage = (group: string, kind: string) => stageOf({ group, kind })
  assert.ok(stage('', 'Namespace') < stage('', 'ServiceAccount'))
  assert.ok(stage('rbac.authorization.k8s.io', 'Role') < stage('rbac.authorization.k8s.io', 'RoleBinding'))
  assert.ok(stage('rbac.authorization.k8s.io', 'RoleBinding') < stage('apps', 'Deployment'))
  assert.ok(stage('apps', 'Deployment') < stage('admissionregistration.k8s.io', 'ValidatingWebhookConfiguration'))
})

test('a create is written ahead as pending, a change with the uid that it is bound to', () => {
  const plan = planChanges(
    context,
    gathered([looked('new'), looked('old', { live: live('old', {}), dryRun: configMap('old', {}, { a: '2' }) })]),
    inventory(entry('old')),
  )
  assert.deepEqual(
    plan.changes.map(({ action, object }) => `${action} ${object}`),
    ['create ConfigMap team/new', 'configure ConfigMap team/old'],
  )
  assert.deepEqual(plan.ahead, [entry('old'), { ...objectId(configMap('new')), state: 'pending' }])
  assert.deepEqual(
    plan.groups.flatMap(({ changes }) => changes).map(({ uid }) => uid),
    [undefined, 'uid-old'],
  )
})

test('what a crash left pending is ours by its claim alone, and gets its uid', () => {
  const claim = claimOf(context.claimKey, context.delivery.uid, desired('a').key)
  const { uid: _, ...pending } = entry('a', { state: 'pending' })
  const proven = live('a', { annotations: { 'waybill.dev/claim': claim } })
  const plan = planChanges(context, gathered([looked('a', { live: proven, dryRun: proven })]), inventory(pending))
  assert.deepEqual(plan.refusals, [])
  assert.deepEqual(plan.ahead, [entry('a')])
  assert.equal(plan.isNoop, false)
  const forged = live('a', { annotations: { 'waybill.dev/claim': 'A'.repeat(22) } })
  const refused = planChanges(context, gathered([looked('a', { live: forged, dryRun: forged })]), inventory(pending))
  assert.deepEqual(
    refused.refusals.map(({ code }) => code),
    ['OBJECT_OWNED'],
  )
})

test('a right claim proves nothing once a uid is on record', () => {
  const claim = claimOf(context.claimKey, context.delivery.uid, desired('a').key)
  const other = live('a', { uid: 'another', annotations: { 'waybill.dev/claim': claim } })
  const plan = planChanges(context, gathered([looked('a', { live: other, dryRun: other })]), inventory(entry('a')))
  assert.deepEqual(
    plan.refusals.map(({ code }) => code),
    ['OBJECT_OWNED'],
  )
})

test('nothing is deleted whose uid is not the one on record', () => {
  const plan = planChanges(
    unguarded,
    gathered(
      [],
      [
        leftover(entry('a'), live('a', { uid: 'another' })),
        leftover(entry('b'), undefined),
        leftover(entry('c'), live('c')),
      ],
    ),
    inventory(entry('a'), entry('b'), entry('c')),
  )
  assert.deepEqual(
    plan.deletes.map(({ name, uid, resourceVersion }) => [name, uid, resourceVersion]),
    [['ConfigMap team/c', 'uid-c', '5']],
  )
  assert.deepEqual(
    plan.changes.map(({ action, object }) => `${action} ${object}`),
    ['forget ConfigMap team/a', 'delete ConfigMap team/c'],
  )
  assert.deepEqual(plan.ahead, [entry('c')])
})

test('entries that never became objects do not make a prune look smaller', () => {
  const pending = Array.from({ length: 20 }, (_, i) => {
    const { uid: _uid, ...one } = entry(`p${i}`, { state: 'pending' })
    return one
  })
  const kept = ['a', 'b', 'c'].map((name) => looked(name, { live: live(name), dryRun: live(name) }))
  const plan = planChanges(
    context,
    gathered(kept, [leftover(entry('d'), live('d')), leftover(entry('e'), live('e'))]),
    inventory(...['a', 'b', 'c', 'd', 'e'].map((name) => entry(name)), ...pending),
  )
  assert.deepEqual(
    plan.refusals.map(({ code }) => code),
    ['PRUNE_LIMIT'],
  )
})

test('an API that does not answer is neither a refusal nor a deletion', () => {
  const failure = { object: 'ConfigMap team/a', code: 'CLUSTER_FAILED', message: 'x' } as const
  const plan = planChanges(
    context,
    gathered([looked('a', { failure }), looked('b')], [{ ...leftover(entry('c'), undefined), failure }]),
    inventory(entry('c')),
  )
  assert.deepEqual(plan.refusals, [])
  assert.equal(plan.failures.length, 2)
  assert.deepEqual(plan.deletes, [])
  assert.ok(plan.ahead.some(({ name }) => name === 'c'))
})

test('whatever the cluster looks like, a plan deletes only by inventory and uid, and changes only what is ours or absent', () => {
  const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e'), { maxLength: 5 })
  fc.assert(
    fc.property(names, names, names, names, (wanted, listed, alive, replaced) => {
      const lives = new Map(alive.map((name) => [name, live(name, replaced.includes(name) ? { uid: 'another' } : {})]))
      const stored = inventory(...listed.map((name) => entry(name)))
      const found = gathered(
        wanted.map((name) => looked(name, { live: lives.get(name), dryRun: lives.get(name) })),
        listed.filter((name) => !wanted.includes(name)).map((name) => leftover(entry(name), lives.get(name))),
      )
      const asks = planChanges(unguarded, found, stored).asked
      const plan = planChanges({ ...unguarded, confirmed: asks?.what }, found, stored)
      for (const { entry: gone, uid } of plan.deletes) {
        assert.equal(stored.entries.get(objectKey(gone))?.uid, uid)
        assert.ok(!wanted.includes(gone.name) && !replaced.includes(gone.name))
      }
      for (const { desired: one, uid } of plan.groups.flatMap(({ changes }) => changes))
        if (uid === undefined) assert.ok(!lives.has(one.id.name))
        else assert.equal(stored.entries.get(one.key)?.uid, uid)
      const refused = wanted.filter(
        (name) => alive.includes(name) && (!listed.includes(name) || replaced.includes(name)),
      )
      assert.equal(plan.refusals.length, refused.length)
    }),
  )
})

test('an adoption that was written down and not made yet is still one, until our own apply shows on the object', () => {
  const adopting = { ...context, adopt: 'always' } as const
  const adopted = inventory(entry('a', { state: 'adopted' }))
  const action = (managedFields: readonly object[]) => {
    const now = live('a', { managedFields })
    const plan = planChanges(
      adopting,
      gathered([looked('a', { live: now, dryRun: configMap('a', {}, { a: '2' }) })]),
      adopted,
    )
    return plan.changes.map((change) => change.action)
  }
  const by = (manager: string, operation: string) => ({
    manager,
    operation,
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { 'f:a': {} } },
  })
  assert.deepEqual(action([by('kubectl-client-side-apply', 'Update')]), ['adopt'])
  assert.deepEqual(action([by('waybill', 'Apply')]), ['configure'])
})

test('what was written down to be adopted and never was is neither changed nor deleted once the Delivery no longer adopts it', () => {
  const adopted = entry('a', { state: 'adopted' })
  const taken = { annotations: { 'waybill.dev/claim': claimOf(context.claimKey, 'delivery-uid', objectKey(adopted)) } }
  const change = (metadata: object, adopt: PlanContext['adopt']) => {
    const one = looked('a', { live: live('a', metadata), dryRun: configMap('a', {}, { a: '2' }) })
    const { changes, refusals } = planChanges({ ...context, adopt }, gathered([one]), inventory(adopted))
    return [...changes.map(({ action }) => action), ...refusals.map(({ code }) => code)]
  }
  assert.deepEqual(change({}, 'never'), ['OBJECT_OWNED'])
  assert.deepEqual(change({}, 'always'), ['adopt'])
  assert.deepEqual(change(taken, 'never'), ['configure'])
  const leaving = (metadata: object) => {
    const { changes, deletes } = planChanges(
      unguarded,
      gathered([], [leftover(adopted, live('a', metadata))]),
      inventory(adopted),
    )
    return [...changes.map(({ action }) => action), deletes.length]
  }
  assert.deepEqual(leaving({}), ['forget', 0])
  assert.deepEqual(leaving(taken), ['delete', 1])
})

test('what the guard would let everybody through to is not delivered, whoever signed it', () => {
  const open = configMap('a', { annotations: { 'waybill.dev/break-glass': 'always' } })
  const [one] = prepare([open], context, resources)
  assert.ok(one)
  for (const found of [looked('a', { desired: one }), looked('a', { desired: one, live: live('a'), dryRun: open })]) {
    const { refusals } = planChanges(context, gathered([found]), inventory(entry('a')))
    assert.deepEqual(
      refusals.map(({ code }) => code),
      ['OBJECT_RESERVED'],
    )
  }
})
