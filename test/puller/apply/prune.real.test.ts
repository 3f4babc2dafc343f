import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ConnectedCluster } from '../../../puller/cluster/cluster.ts'
import { type ControlPlane, field } from '../../real/control-plane.ts'
import { configMap, DIGEST_1, deliver, refusals, results } from '../delivered.ts'
import { asPuller, startInstalled } from '../installed.ts'

let plane: ControlPlane
let puller: ConnectedCluster
before(async () => {
  plane = await startInstalled({ controllers: false })
  puller = await asPuller(plane)
})
after(async () => {
  await puller?.close()
  await plane?.stop()
})

const mapPath = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const exists = async (path: string) => (await plane.api('GET', path)).status === 200
const maps = (...names: string[]) => names.map((name) => configMap(name))
const names = async (inventory: Promise<{ entries: ReadonlyMap<string, { name: string }> }>) =>
  [...(await inventory).entries.values()].map(({ name }) => name).sort()

test('what the artifact no longer holds is deleted, and only that', async () => {
  const { run, inventory, namespace } = await deliver(plane, puller)
  await run(maps('a', 'b'))
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    body: configMap('forged', {}, { labels: { 'applyset.kubernetes.io/part-of': 'x' } }),
  })
  const { applied, plan } = await run(maps('a'))
  assert.deepEqual(plan.changes, [{ action: 'delete', object: `ConfigMap ${namespace}/b` }])
  assert.deepEqual(results(applied), [`deleted ConfigMap ${namespace}/b`, `unchanged ConfigMap ${namespace}/a`])
  assert.equal(await exists(mapPath(namespace, 'b')), false)
  assert.equal(await exists(mapPath(namespace, 'forged')), true)
  assert.deepEqual(await names(inventory()), ['a'])
})

test('with prune switched off nothing is deleted and nothing is forgotten', async () => {
  const { run, inventory, namespace } = await deliver(plane, puller)
  await run(maps('a', 'b'))
  const { plan } = await run(maps('a'), { prune: { enabled: false, maxPercent: 100 } })
  assert.equal(plan.isNoop, true)
  assert.equal(await exists(mapPath(namespace, 'b')), true)
  assert.deepEqual(await names(inventory()), ['a', 'b'])
})

test('an object that changes between the look and the delete is deleted all the same, another one of its name is not', async () => {
  const { run, plan, context, inventory, namespace } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  await run(maps('a', 'busy', 'replaced'))
  const looked = await plan(maps('a'))
  await plane.api('PATCH', mapPath(namespace, 'busy'), {
    body: { metadata: { labels: { x: 'y' } } },
    contentType: 'application/merge-patch+json',
  })
  await plane.api('DELETE', mapPath(namespace, 'replaced'))
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    body: configMap('replaced', { hand: 'made' }),
  })
  const applied = await applyPlan(context, looked, await inventory(), puller)
  assert.deepEqual(results(applied), [
    `deleted ConfigMap ${namespace}/busy`,
    `failed ConfigMap ${namespace}/replaced CLUSTER_CONFLICT`,
    `unchanged ConfigMap ${namespace}/a`,
  ])
  assert.equal(await exists(mapPath(namespace, 'busy')), false)
  assert.deepEqual(field((await plane.api('GET', mapPath(namespace, 'replaced'))).body, 'data'), { hand: 'made' })
})

test('a prune above maxPercent is refused until a person confirms exactly this prune', async () => {
  const { plan, run, namespace } = await deliver(plane, puller)
  const prune = { enabled: true, maxPercent: 30 }
  await run(maps('a', 'b', 'c', 'd'))
  const limit = [`PRUNE_LIMIT Delivery.waybill.dev ${namespace}/shop`]
  const looked = await plan(maps('a', 'b'), { prune })
  assert.deepEqual(refusals(looked), limit)
  assert.deepEqual(refusals(await plan(maps('a', 'b'), { prune, confirmed: DIGEST_1 })), limit)
  assert.deepEqual(refusals(await plan(maps('a', 'b', 'c'), { prune })), [])
  const { applied } = await run(maps('a', 'b'), { prune, confirmed: looked.asked?.what })
  assert.equal(applied?.outcomes.filter(({ result }) => result === 'deleted').length, 2)
})

test('a prune of more objects than prune.max is refused, however few of all they are, until it is confirmed', async () => {
  const { plan, run, namespace } = await deliver(plane, puller)
  const prune = { enabled: true, maxPercent: 100, max: 1 }
  await run(maps('a', 'b', 'c', 'd'))
  const looked = await plan(maps('a', 'b'), { prune })
  assert.deepEqual(refusals(looked), [`PRUNE_LIMIT Delivery.waybill.dev ${namespace}/shop`])
  assert.deepEqual(refusals(await plan(maps('a', 'b', 'c'), { prune })), [])
  assert.deepEqual(refusals(await plan(maps('a', 'b'), { prune, confirmed: looked.asked?.what })), [])
})

test('what is annotated to be kept leaves a release without being deleted; what is to be confirmed goes with a confirmation alone', async () => {
  const { plan, run, inventory, namespace } = await deliver(plane, puller)
  const annotated = (name: string, prune: string) =>
    configMap(name, {}, { annotations: { 'waybill.dev/prune': prune } })
  await run([...maps('a', 'b'), annotated('kept', 'never'), annotated('asks', 'confirm')])
  const looked = await plan(maps('a'))
  assert.deepEqual(refusals(looked), [`PRUNE_PROTECTED ConfigMap ${namespace}/asks`])
  const { applied } = await run(maps('a'), { confirmed: looked.asked?.what })
  assert.deepEqual(
    results(applied)
      .filter((result) => result.startsWith('deleted'))
      .sort(),
    [`deleted ConfigMap ${namespace}/asks`, `deleted ConfigMap ${namespace}/b`],
  )
  assert.equal(await exists(mapPath(namespace, 'kept')), true)
  assert.deepEqual(await names(inventory()), ['a'])
})

async function released(path: string): Promise<boolean> {
  const contentType = 'application/merge-patch+json'
  assert.equal(await exists(path), true, 'a claim is gone before its protection is')
  return (await plane.api('PATCH', path, { body: { metadata: { finalizers: null } }, contentType })).status === 200
}

test('an environment without objects, a Namespace and a PersistentVolumeClaim are not deleted unconfirmed', async () => {
  const { plan, run, grant, namespace } = await deliver(plane, puller)
  await grant([{ apiGroups: [''], resources: ['namespaces'], verbs: ['*'] }])
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'disk' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }
  const extra = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${namespace}-x` } }
  await run([configMap('a'), claim, extra])
  assert.deepEqual(refusals(await plan([configMap('a')])), [
    `PRUNE_PROTECTED Namespace ${namespace}-x`,
    `PRUNE_PROTECTED PersistentVolumeClaim ${namespace}/disk`,
  ])
  const all = await plan([])
  assert.deepEqual(refusals(all), [
    `ENVIRONMENT_EMPTY Delivery.waybill.dev ${namespace}/shop`,
    `PRUNE_PROTECTED Namespace ${namespace}-x`,
    `PRUNE_PROTECTED PersistentVolumeClaim ${namespace}/disk`,
  ])
  const path = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/disk`
  const [{ applied }] = await Promise.all([
    run([], { confirmed: all.asked?.what }),
    // As the controller that protects claims does, once nothing uses it.
    plane.eventually('the claim goes', async () => {
      const { body } = await plane.api('GET', path)
      return field(body, 'metadata', 'deletionTimestamp') !== undefined && released(path)
    }),
  ])
  // Reverse of the order of creation: the namespace last.
  assert.deepEqual(applied?.outcomes.map(({ object }) => object).at(-1), `Namespace ${namespace}-x`)
})

test('an object with a finalizer stays in the inventory until it is gone', async () => {
  const { run, inventory, namespace } = await deliver(plane, puller)
  await run([configMap('a'), configMap('slow', {}, { finalizers: ['example.com/wait'] })])
  await run(maps('a'))
  assert.deepEqual(await names(inventory()), ['a', 'slow'])
  const meanwhile = await run(maps('a'))
  assert.deepEqual(meanwhile.plan.finalizing, [`ConfigMap ${namespace}/slow`])
  assert.deepEqual(meanwhile.plan.changes, [])
  await plane.api('PATCH', mapPath(namespace, 'slow'), {
    body: { metadata: { finalizers: null } },
    contentType: 'application/merge-patch+json',
  })
  const gone = await run(maps('a'))
  assert.deepEqual(gone.plan.changes, [])
  assert.deepEqual(await names(inventory()), ['a'])
})

test('an inventory of 1,001 objects has two shards, and a change writes only its own', async () => {
  const { context, inventory } = await deliver(plane, puller)
  const { writeInventory } = await import('../../../puller/plan/inventory.ts')
  const entry = (i: number) => ({
    group: '',
    kind: 'ConfigMap',
    namespace: context.delivery.namespace,
    name: `m-${String(i).padStart(5, '0')}`,
    state: 'pending' as const,
  })
  const all = Array.from({ length: 1001 }, (_, i) => entry(i))
  const stored = await writeInventory(puller, context.delivery, await inventory(), all)
  assert.deepEqual(
    stored.shards.map(({ keys }) => keys.size),
    [1000, 1],
  )
  const mark = await plane.auditMark()
  const changed = all.map((one) => (one.name === 'm-01000' ? { ...one, uid: 'u', state: 'created' as const } : one))
  await writeInventory(puller, context.delivery, stored, changed)
  const writes = (await plane.auditSince(mark)).filter(({ verb }) => ['create', 'update'].includes(verb))
  assert.deepEqual(
    writes.map(({ objectRef }) => objectRef?.name),
    [stored.shards[1]?.name],
  )
  const read = await inventory()
  assert.equal(read.entries.size, 1001)
  assert.equal([...read.entries.values()].filter(({ state }) => state === 'created').length, 1)
  await assert.rejects(writeInventory(puller, context.delivery, stored, all.slice(0, 1)), { code: 'CLUSTER_CONFLICT' })
})

test('an account that was deleted, and one that the puller may not act as, are named', async () => {
  const { checkAccount } = await import('../../../puller/cluster/access.ts')
  const { context, namespace } = await deliver(plane, puller)
  await checkAccount(puller, context.account)
  await plane.serviceAccountToken(namespace, 'stranger')
  await assert.rejects(checkAccount(puller, { namespace, serviceAccount: 'stranger' }), { code: 'ACCOUNT_FORBIDDEN' })
  await plane.api('DELETE', `/api/v1/namespaces/${namespace}/serviceaccounts/waybill`)
  await assert.rejects(checkAccount(puller, context.account), { code: 'ACCOUNT_MISSING' })
})
