import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { GUARD_NAME } from '../../../puller/install/guard.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { BREAK_GLASS, LABELS } from '../../../puller/kinds.ts'
import { type ApiAnswer, field } from '../../real/cluster.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { configMap, deployment } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

const CONTROLLER_GROUPS = ['system:nodes', 'system:serviceaccounts:kube-system']

let world: World
let tenant: Tenant
/** Of a service account that may do everything. */
let robot: string

before(async () => {
  const install = printYaml(installObjects({ crdsOnly: true, guard: { groups: ['people'] } }))
  world = await startWorld({ controllers: true, install })
  const { plane } = world
  robot = await plane.serviceAccountToken('default', 'robot')
  const everything = ['--clusterrole=cluster-admin', '--serviceaccount=default:robot', '--user=alice']
  const controllers = ['--user=system:kube-controller-manager', ...CONTROLLER_GROUPS.map((group) => `--group=${group}`)]
  await plane.runKubectl(['create', 'clusterrolebinding', 'everything', ...everything, ...controllers])
  tenant = await world.tenant()
  publish('1', [...OBJECTS, configMap('left', { by: 'the next release' })])
  await tenant.deliver({ prune: PRUNE })
  assert.equal((await run()).ready, true)
  await plane.eventually(
    'the guard is in force',
    async () => (await write(at('left'), { data: { a: '1' } })).status === 403,
  )
})
after(() => world?.stop())

const withoutReplicas = (object: KubeObject): KubeObject => ({
  ...object,
  spec: { ...(isJsonObject(object.spec) ? object.spec : {}), replicas: 0 },
})
const OBJECTS = [configMap('greeting', { hello: 'world' }), withoutReplicas(deployment('api'))]
const PRUNE = { enabled: true, maxPercent: 100 }
const MERGE = { contentType: 'application/merge-patch+json' }
const MESSAGE = /Waybill delivers this object.*waybill\.dev\/break-glass/

function publish(revision: string, objects: readonly KubeObject[], to = tenant): void {
  const promotion = { channel: 'production', sequence: Number(revision) }
  to.publish(to.release(revision, objects), { version: `${revision}.0.0`, promotion })
}
const run = (of = tenant) => of.run({ guard: true })
const at = (name: string, kind = 'configmaps') => `/api/v1/namespaces/${tenant.namespace}/${kind}/${name}`
const API = () => `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/api`
const write = (path: string, body: unknown, token?: string) =>
  world.plane.api('PATCH', path, { ...MERGE, body, ...(token === undefined ? {} : { token }) })
const get = async (path: string) => (await world.plane.api('GET', path)).body
const brokenGlass = (reason: string | null) => ({ metadata: { annotations: { [BREAK_GLASS]: reason } } })

function denied(answer: ApiAnswer, what = ''): void {
  assert.equal(answer.status, 403, `${what} ${JSON.stringify(answer.body)}`)
  assert.match(String(field(answer.body, 'message')), MESSAGE, what)
}

describe('under the guard, a cluster admin', () => {
  test('cannot edit, label, annotate or delete what is delivered, and is told what to do', async () => {
    const { plane } = world
    const where = ['-n', tenant.namespace]
    for (const args of [
      ['patch', 'configmap/greeting', '-p', '{"data":{"hello":"you"}}'],
      ['label', 'configmap/greeting', 'a=b'],
      ['annotate', 'deployment/api', 'a=b'],
      ['set', 'image', 'deployment/api', '*=example.com/other:1'],
      ['delete', 'configmap/greeting'],
      ['delete', 'configmaps', '-l', LABELS.partOf],
    ])
      await assert.rejects(plane.runKubectl([...args, ...where]), MESSAGE, args.join(' '))
    assert.equal(field(await get(at('greeting')), 'data', 'hello'), 'world')
  })

  test('does not get out by one write that takes off what shows that it is delivered', async () => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'left', uid: '0' }
    for (const metadata of [
      { labels: { [LABELS.partOf]: null } },
      { managedFields: [{}] },
      { ownerReferences: [owner] },
      { labels: { [LABELS.partOf]: null }, managedFields: [{}], finalizers: ['example.com/mine'] },
    ])
      denied(await write(at('greeting'), { metadata, data: { hello: 'you' } }), JSON.stringify(metadata))
    const { metadata } = Object.assign({ metadata: {} }, await get(at('greeting')))
    const body = {
      ...configMap('greeting', { hello: 'you' }),
      metadata: { name: 'greeting', uid: field(metadata, 'uid') },
    }
    denied(await world.plane.api('PUT', at('greeting'), { body }))
  })

  test('does not get in by the status either, which its controller goes on writing', async () => {
    const status = `${API()}/status`
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: '0' }
    for (const metadata of [
      { ownerReferences: [owner] },
      { annotations: { 'waybill.dev/prune': 'never' } },
      { finalizers: ['example.com/mine'] },
    ])
      denied(await write(status, { metadata, status: { collisionCount: 2 } }), JSON.stringify(metadata))
    await write(status, { metadata: { managedFields: [{}] }, status: { collisionCount: 1 } })
    assert.equal(field(await get(API()), 'metadata', 'managedFields', 0, 'manager'), 'waybill')
    assert.equal((await write(status, { status: { observedGeneration: 1 } }, robot)).status, 200)
  })

  test('cannot empty a collection, nor put a container into a pod or resize it', async () => {
    const { plane } = world
    denied(await plane.api('DELETE', at('').slice(0, -1)), 'the collection')
    assert.equal(field(await get(at('greeting')), 'metadata', 'deletionTimestamp'), undefined)
    const labels = { [LABELS.partOf]: field(await get(at('greeting')), 'metadata', 'labels', LABELS.partOf) }
    const container = { name: 'one', image: 'example.com/one', resources: { requests: { cpu: '1' } } }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one', labels }, spec: { containers: [container] } }
    const made = await plane.api('PATCH', `${at('one', 'pods')}?fieldManager=waybill`, {
      body: pod,
      contentType: 'application/apply-patch+yaml',
    })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const more = { ephemeralContainers: [{ name: 'two', image: 'example.com/two' }] }
    denied(await write(`${at('one', 'pods')}/ephemeralcontainers`, { spec: more }), 'ephemeralcontainers')
    const resources = { requests: { cpu: '2' } }
    denied(await write(`${at('one', 'pods')}/resize`, { spec: { containers: [{ name: 'one', resources }] } }), 'resize')
  })

  test('may ask what a change would do', async () => {
    const answer = await write(`${at('greeting')}?dryRun=All`, { data: { hello: 'you' } })
    assert.equal(answer.status, 200)
  })

  test('may write what is not delivered, with the label or without', async () => {
    const labels = { [LABELS.partOf]: field(await get(at('greeting')), 'metadata', 'labels', LABELS.partOf) }
    const body = { metadata: { name: 'own', labels }, data: {} }
    assert.equal((await world.plane.api('POST', at('').slice(0, -1), { body })).status, 201)
    assert.equal((await write(at('own'), { data: { a: '1' } })).status, 200)
    assert.equal((await world.plane.api('DELETE', at('own'))).status, 200)
  })

  test('changes replicas by the scale subresource, which has no labels; it is put back as drift', async () => {
    await world.plane.runKubectl(['scale', 'deployment/api', '--replicas=1', '-n', tenant.namespace])
    assert.equal((await run()).ready, true)
    assert.equal(field(await get(API()), 'spec', 'replicas'), 0)
  })
})

test('a Delivery that is delivered itself is operated as any other, and neither pointed elsewhere nor deleted', async () => {
  const { plane } = world
  const path = `/apis/waybill.dev/v1alpha1/namespaces/${await plane.freshNamespace()}/deliveries/child`
  const labels = { [LABELS.partOf]: 'applyset-of-the-platform-v1' }
  const spec = { source: { repository: 'registry.example.com/acme/shop', channel: 'production' } }
  const body = { apiVersion: 'waybill.dev/v1alpha1', kind: 'Delivery', metadata: { name: 'child', labels }, spec }
  const made = await plane.api('PATCH', `${path}?fieldManager=waybill`, {
    body,
    contentType: 'application/apply-patch+yaml',
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const puller = await plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
  const digest = `sha256:${'a'.repeat(64)}`
  for (const [may, token] of [
    [{ metadata: { finalizers: ['waybill.dev/removal'] } }, puller],
    [{ metadata: { finalizers: null } }, puller],
    [{ spec: { hold: { digest, reason: 'it broke' } }, metadata: { annotations: { 'waybill.dev/reconcile': '1' } } }],
    [{ spec: { hold: null, suspend: { reason: 'freeze' } } }],
  ] as const)
    assert.equal((await write(path, may, token)).status, 200, JSON.stringify(may))
  for (const change of [
    { spec: { source: { channel: 'staging' } } },
    { spec: { hold: { digest }, deletion: 'delete' } },
    { spec: { timeout: '1m' } },
    { metadata: { labels: null }, spec: { suspend: null } },
  ])
    denied(await write(path, change), JSON.stringify(change))
  denied(await plane.api('DELETE', path))
})

describe('under the guard, with the glass broken', () => {
  test('an object is open to those who may write it, until the annotation is taken off', async () => {
    const { plane } = world
    for (const blank of ['', '  ', '\u0085\u00a0'])
      denied(await write(at('greeting'), { ...brokenGlass(blank), data: { hello: 'x' } }), 'blank')
    const where = ['-n', tenant.namespace]
    await plane.runKubectl(['annotate', 'configmap/greeting', `${BREAK_GLASS}=the registry burns`, ...where])
    await plane.runKubectl(['patch', 'configmap/greeting', '-p', '{"data":{"hello":"you"}}', ...where])
    await plane.runKubectl(['annotate', 'configmap/greeting', `${BREAK_GLASS}-`, ...where])
    denied(await write(at('greeting'), { data: { hello: 'them' } }), 'closed again')
    assert.equal((await run()).ready, true)
    assert.equal(field(await get(at('greeting')), 'data', 'hello'), 'world')
  })

  test('an object can be deleted, and one write may both break it and change', async () => {
    // No space to the API server, and so a reason: puller/drift/break-glass.ts has to see it too.
    assert.equal((await write(at('greeting'), { ...brokenGlass('\ufeff'), data: { hello: 'x' } })).status, 200)
    assert.equal((await world.plane.api('DELETE', at('greeting'))).status, 200)
    assert.equal((await run()).ready, true)
    assert.equal(field(await get(at('greeting')), 'data', 'hello'), 'world')
  })
})

describe('under the guard, whoever else comes', () => {
  const change = { metadata: { annotations: { at: 'x' } } }

  test('is denied as a service account with every right, or with a token of the Delivery’s own', async () => {
    denied(await write(at('greeting'), change, robot), 'robot')
    const own = await world.plane.serviceAccountToken(tenant.namespace, 'waybill')
    denied(await write(at('greeting'), change, own), 'the account by itself')
    denied(await write(`${at('greeting')}?dryRun=All&fieldManager=waybill`, change, own), 'as a puller without --guard')
  })

  test('cannot call itself a Delivery without the right to', async () => {
    const { plane } = world
    const kubeconfig = await plane.serviceAccountKubeconfig(tenant.namespace, 'waybill')
    const as = `system:serviceaccount:${tenant.namespace}:waybill`
    const args = ['annotate', 'configmap/greeting', 'a=b', '-n', tenant.namespace, `--as=${as}`]
    await assert.rejects(
      plane.runKubectl([...args, '--as-user-extra=waybill.dev/delivery=x/y'], { kubeconfig }),
      /Forbidden|forbidden/,
    )
  })

  test('is let through in a group that was named, from kube-system, and as a node', async () => {
    const { plane } = world
    const where = ['-n', tenant.namespace]
    const alice = plane.userKubeconfig('alice')
    await plane.runKubectl(['annotate', 'configmap/greeting', 'a=alice', ...where], { kubeconfig: alice })
    for (const as of [
      ['--as=system:kube-controller-manager'],
      ...CONTROLLER_GROUPS.map((group) => ['--as=system:some:one', `--as-group=${group}`]),
    ])
      await plane.runKubectl(['annotate', 'configmap/greeting', `b=${as.at(-1)}`, '--overwrite', ...where, ...as])
    assert.equal(
      field(await get(API()), 'status', 'observedGeneration'),
      field(await get(API()), 'metadata', 'generation'),
    )
  })
})

describe('under the guard, the puller', () => {
  test('says for which Delivery it asks, and delivers, repairs, prunes and removes', async () => {
    const mark = await world.plane.auditMark()
    publish('2', [configMap('greeting', { hello: 'again' }), OBJECTS[1] ?? deployment('api')])
    assert.equal((await run()).ready, true)
    assert.equal((await world.plane.api('GET', at('left'))).status, 404)
    const asked = (await world.plane.auditSince(mark)).filter(({ impersonatedUser }) => impersonatedUser !== undefined)
    assert.ok(asked.length > 5)
    for (const { impersonatedUser } of asked)
      assert.deepEqual(field(impersonatedUser, 'extra', 'waybill.dev/delivery'), [`${tenant.namespace}/app`])
    await tenant.deliver({ prune: PRUNE, deletion: 'delete' })
    await run()
    const path = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveries/app`
    await world.plane.api('DELETE', path)
    await tenant.run({ guard: true }).catch(() => undefined)
    assert.equal((await world.plane.api('GET', path)).status, 404)
    assert.equal((await world.plane.api('GET', at('greeting'))).status, 404)
  })

  test('adopts what kubectl made, with its fields', async () => {
    const other = await world.tenant()
    const { plane } = world
    const made = configMap('made', { by: 'hand', more: 'here' })
    await plane.runKubectl(['apply', '-n', other.namespace, '-f', '-'], { input: printYaml([made]) })
    publish('1', [configMap('made', { by: 'hand' })], other)
    await other.deliver({ adopt: 'always' })
    assert.equal((await run(other)).ready, true)
    const { body } = await plane.api('GET', `/api/v1/namespaces/${other.namespace}/configmaps/made`)
    assert.deepEqual(field(body, 'data'), { by: 'hand' })
  })

  test('that was not told of the guard is refused before its first write', async () => {
    const other = await world.tenant()
    publish('1', [configMap('one', { a: '1' })], other)
    await other.deliver()
    assert.equal((await run(other)).ready, true)
    publish('2', [configMap('one', { a: '2' }), configMap('two', {})], other)
    const { ready, reason } = await other.run()
    assert.deepEqual([ready, reason], [false, 'OBJECT_FORBIDDEN'])
    assert.equal((await world.plane.api('GET', `/api/v1/namespaces/${other.namespace}/configmaps/two`)).status, 404)
  })

  test('keeps no namespace from being deleted with what was delivered into it', async () => {
    const other = await world.tenant()
    publish('1', [configMap('one', { a: '1' })], other)
    await other.deliver()
    assert.equal((await run(other)).ready, true)
    await world.plane.runKubectl(['delete', 'namespace', other.namespace, '--timeout=60s'])
  })
})

test('the guard is taken away by deleting its binding', async () => {
  await world.plane.runKubectl(['delete', 'validatingadmissionpolicybinding', GUARD_NAME])
  const body = { metadata: { name: 'last' }, data: {} }
  assert.equal((await world.plane.api('POST', at('').slice(0, -1), { body })).status, 201)
})
