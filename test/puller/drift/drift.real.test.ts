import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { parseSharedKind } from '../../../puller/install/shared-kinds.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { pullersOf } from '../pullers.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

let world: World
before(async () => {
  world = await startWorld({ controllers: true })
})
after(() => world?.stop())

const start = pullersOf(() => world)

const idle = (name: string): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'web', image: 'registry.example.com/web:1' }] },
    },
  },
})

/** Delivers these objects at an interval that no test lives to see, and waits until they are applied. */
async function delivered(objects: readonly KubeObject[], spec: Record<string, unknown> = {}): Promise<Tenant> {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', objects), { promotion: { channel: 'production', sequence: 1 } })
  await tenant.deliver(spec)
  start([tenant])
  await world.plane.eventually('Applied', async () => (await tenant.condition('Ready'))?.reason === 'Applied')
  return tenant
}

const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const deliveryOf = ({ namespace }: Tenant) => `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/app`
const patch = (path: string, body: unknown, manager = 'somebody', contentType = 'application/merge-patch+json') =>
  world.plane.api('PATCH', `${path}?fieldManager=${manager}`, { body, contentType })
const becomes = (tenant: Tenant, path: string, wanted: unknown, ...steps: (string | number)[]) =>
  world.plane.eventually(`${steps.join('.')} is ${JSON.stringify(wanted)}`, async () => {
    const found = field((await tenant.get(path)).body, ...steps)
    return JSON.stringify(found) === JSON.stringify(wanted)
  })
const kindsBecome = (tenant: Tenant, kinds: string) =>
  world.plane
    .eventually(`records ${kinds}`, async () => (await tenant.kinds()) === kinds)
    .catch(async () => assert.equal(await tenant.kinds(), kinds))

/** What the puller asked the API server since the mark, watches and the Lease left out. */
async function asked(mark: number): Promise<string[]> {
  return (await world.plane.auditSince(mark))
    .filter(({ user }) => user.username === `system:serviceaccount:${PULLER_NAMESPACE}:waybill-puller`)
    .filter(({ verb, objectRef }) => verb !== 'watch' && objectRef?.resource !== 'leases')
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`)
}

test('a value that somebody edits is put back at once, by a watch, long before the interval', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' })])
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected')
  await becomes(tenant, deliveryOf(tenant), 'somebody', 'status', 'drift', 'listed', 0, 'manager')
})

test('while nothing happens nothing is asked of the API server, interval after interval', async () => {
  await delivered([configMap('greeting', { hello: 'world' })], { interval: '1s' })
  const polled = async (times: number) => {
    const before = world.registry.requests.length
    await world.plane.eventually(`${times} polls`, async () => world.registry.requests.length >= before + times)
  }
  await polled(2)
  const mark = await world.plane.auditMark()
  await polled(5)
  assert.deepEqual(await asked(mark), [])
})

test('an interval that finds nothing new costs one question to the registry, and a change of the pull secret is seen when the registry says no', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' })], { interval: '1s' })
  const before = world.registry.requests.length
  await world.plane.eventually('three polls', async () => world.registry.requests.length >= before + 3)
  const polls = [...new Set(world.registry.requests.slice(before))]
  assert.deepEqual(polls, [`HEAD /v2/${tenant.namespace}/shop/manifests/production`])
})

test('an object that is deleted, and one whose label is taken off, are put back', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' }), configMap('other', { a: '1' })])
  await world.plane.api('DELETE', at(tenant))
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  await patch(at(tenant, 'other'), { metadata: { labels: { 'applyset.kubernetes.io/part-of': null } } })
  await world.plane.eventually('the label is back', async () => {
    const labels = field((await tenant.get(at(tenant, 'other'))).body, 'metadata', 'labels')
    return field(labels, 'applyset.kubernetes.io/part-of') !== undefined
  })
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected Intent DriftCorrected')
})

test('replicas that are scaled, a sidecar and a variable in a pod template, are put back; who else the object belongs to is left alone', async () => {
  const tenant = await delivered([idle('web')])
  const path = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/web`
  await patch(`${path}/scale`, { spec: { replicas: 3 } }, 'kubectl')
  await becomes(tenant, path, 0, 'spec', 'replicas')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected')
  const strategic = 'application/strategic-merge-patch+json'
  const intruder = { template: { spec: { containers: [{ name: 'proxy', image: 'registry.example.com/proxy:1' }] } } }
  await patch(path, { spec: intruder }, 'injector', strategic)
  await becomes(tenant, path, undefined, 'spec', 'template', 'spec', 'containers', 1)
  await becomes(tenant, path, 'web', 'spec', 'template', 'spec', 'containers', 0, 'name')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected Intent DriftCorrected')
  const variable = { template: { spec: { containers: [{ name: 'web', env: [{ name: 'DEBUG', value: '1' }] }] } } }
  await patch(path, { metadata: { annotations: { team: 'shop' } }, spec: variable }, 'kubectl-edit', strategic)
  await becomes(tenant, path, undefined, 'spec', 'template', 'spec', 'containers', 0, 'env')
  await becomes(tenant, path, 'shop', 'metadata', 'annotations', 'team')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected Intent DriftCorrected Intent DriftCorrected')
  const records = await tenant.records()
  const [scaled, injected, edited] = records.filter(({ kind }) => kind === 'DriftCorrected')
  assert.deepEqual(scaled?.changes?.listed[0]?.fields, ['spec.replicas'])
  assert.equal(scaled?.changes?.listed[0]?.manager, 'kubectl')
  assert.deepEqual(injected?.changes?.listed[0]?.fields, ['spec.template.spec.containers[name="proxy"]'])
  assert.equal(injected?.changes?.listed[0]?.manager, 'injector')
  assert.deepEqual(edited?.changes?.listed[0]?.fields, ['spec.template.spec.containers[name="web"].env'])
})

test('what drifts while a repair waits for health is on record too, though it is put back under the Intent that is open', async () => {
  const isWell = "metadata.name != 'gate' || (has(data.well) && data.well == 'yes')"
  const gate = (tenant: Tenant, well: string) => patch(at(tenant, 'gate'), { data: { well } })
  const tenant = await world.tenant()
  const objects = ['gate', 'greeting', 'farewell'].map((name) => configMap(name, { hello: 'world' }))
  tenant.publish(tenant.release('1', objects), { promotion: { channel: 'production', sequence: 1 } })
  await tenant.deliver({ health: [{ kind: 'ConfigMap', current: isWell }] })
  start([tenant])
  await becomes(tenant, at(tenant, 'gate'), 'world', 'data', 'hello')
  await gate(tenant, 'yes')
  await kindsBecome(tenant, 'Intent Applied')
  await gate(tenant, 'no')
  for (const name of ['greeting', 'farewell']) {
    await patch(at(tenant, name), { data: { hello: 'nobody' } }, `editor-of-${name}`)
    await becomes(tenant, at(tenant, name), 'world', 'data', 'hello')
  }
  await gate(tenant, 'yes')
  await kindsBecome(tenant, 'Intent Applied Intent DriftDetected DriftCorrected DriftResolved')
  const [, , , detected, corrected, resolved] = await tenant.records()
  const told = (record: typeof detected) => record?.changes?.listed.map(({ object, manager }) => [object, manager])
  assert.deepEqual(told(corrected), [[`ConfigMap ${tenant.namespace}/greeting`, 'editor-of-greeting']])
  assert.deepEqual(told(detected), [[`ConfigMap ${tenant.namespace}/farewell`, 'editor-of-farewell']])
  assert.deepEqual(told(resolved), told(detected))
  assert.equal(resolved?.trigger.reason, 'it was put back')
})

test('a status that changes and fields that others own are no drift', async () => {
  const tenant = await delivered([idle('web'), configMap('greeting', { hello: 'world' })])
  await patch(at(tenant), { data: { more: 'theirs' }, metadata: { annotations: { theirs: 'too' } } })
  const web = `/apis/apps/v1/namespaces/${tenant.namespace}/deployments/web`
  await patch(`${web}/status`, { status: { observedGeneration: 1 } }, 'controller')
  await patch(web, { metadata: { labels: { theirs: 'yes' } } })
  // What is put back after all that shows that it was seen and let be.
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  await kindsBecome(tenant, 'Intent Applied Intent DriftCorrected')
  await becomes(tenant, at(tenant), 'theirs', 'data', 'more')
})

test('a custom kind that is deleted with its objects comes back with them', async () => {
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'bells.example.com' },
    spec: {
      group: 'example.com',
      names: { kind: 'Bell', plural: 'bells', singular: 'bell', listKind: 'BellList' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec: { type: 'object', properties: { tone: { type: 'string' } } } },
            },
          },
        },
      ],
    },
  }
  const tenant = await world.tenant()
  await world.plane.api('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    body: {
      metadata: { name: `admin-${tenant.namespace}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', namespace: tenant.namespace, name: 'waybill' }],
    },
  })
  const bell = { apiVersion: 'example.com/v1', kind: 'Bell', metadata: { name: 'door' }, spec: { tone: 'high' } }
  tenant.publish(tenant.release('1', [crd, bell, configMap('greeting', { hello: 'world' })]), {
    promotion: { channel: 'production', sequence: 1 },
  })
  await tenant.deliver({ interval: '2s' })
  start([tenant])
  await world.plane.eventually('Applied', async () => (await tenant.condition('Ready'))?.reason === 'Applied')
  await world.plane.api('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bells.example.com')
  await becomes(tenant, `/apis/example.com/v1/namespaces/${tenant.namespace}/bells/door`, 'high', 'spec', 'tone')
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  const path = `/apis/example.com/v1/namespaces/${tenant.namespace}/bells/door`
  await patch(path, { spec: { tone: 'low' } })
  await becomes(tenant, path, 'high', 'spec', 'tone')
})

test('an API server that restarts is watched again: what drifts after that is put back', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' })])
  await world.plane.restartApiserver()
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
})

test('an account that may only get what is named is served at the interval, and the status says what no watch shows', async () => {
  const tenant = await world.tenant()
  const role = `/apis/rbac.authorization.k8s.io/v1/namespaces/${tenant.namespace}/roles/waybill`
  const verbs = ['get', 'create', 'patch', 'delete']
  await patch(role, { rules: [{ apiGroups: [''], resources: ['configmaps'], verbs }] })
  tenant.publish(tenant.release('1', [configMap('greeting', { hello: 'world' })]), {
    promotion: { channel: 'production', sequence: 1 },
  })
  await tenant.deliver({ interval: '1s' })
  start([tenant])
  await world.plane.eventually('said', async () => {
    const message = String((await tenant.condition('Ready'))?.message)
    return message.includes('ConfigMap') && message.includes('may not list and watch')
  })
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
})

test('an account that was deleted is not acted as, whatever is remembered of it', async () => {
  const tenant = await delivered([configMap('greeting', { hello: 'world' })])
  await world.plane.api('DELETE', `/api/v1/namespaces/${tenant.namespace}/serviceaccounts/waybill`)
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await world.plane.eventually('said', async () => (await tenant.condition('Ready'))?.reason === 'ACCOUNT_MISSING')
  assert.equal(field((await tenant.get(at(tenant))).body, 'data', 'hello'), 'nobody')
})

/** What was asked since the mark, once nothing more is. */
async function askedUntilQuiet(mark: number): Promise<readonly string[]> {
  for (let before = -1; ; ) {
    const now = await asked(mark)
    if (now.length === before) return now
    before = now.length
    await pause(1_000)
  }
}

test('putting one of several objects back, and a release that changes one, cost at most twelve requests each', async () => {
  const objects = (hello: string) => [
    configMap('greeting', { hello }),
    ...['a', 'b', 'c', 'd', 'e'].map((name) => configMap(name, { name })),
    idle('web'),
  ]
  const tenant = await delivered(objects('world'))
  await askedUntilQuiet(await world.plane.auditMark())
  let mark = await world.plane.auditMark()
  await patch(at(tenant), { data: { hello: 'nobody' } })
  await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  const repair = await askedUntilQuiet(mark)
  assert.ok(repair.length <= 12, repair.join('\n'))
  tenant.publish(tenant.release('2', objects('mars')), { promotion: { channel: 'production', sequence: 2 } })
  mark = await world.plane.auditMark()
  await tenant.annotate({ 'waybill.dev/reconcile': 'now' })
  await becomes(tenant, at(tenant), 'mars', 'data', 'hello')
  const release = await askedUntilQuiet(mark)
  assert.ok(release.length <= 12, release.join('\n'))
})

test('a first release lists nothing, and watches each kind once, for health and for drift', async () => {
  const spec = { selector: { app: 'web' }, ports: [{ port: 80 }] }
  const mark = await world.plane.auditMark()
  const { namespace } = await delivered([
    idle('web'),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec },
  ])
  const watched = async () => {
    const seen = (await world.plane.auditSince(mark)).filter(
      ({ impersonatedUser, verb }) =>
        impersonatedUser?.username === `system:serviceaccount:${namespace}:waybill` && ['list', 'watch'].includes(verb),
    )
    return [
      ...new Map(seen.map(({ auditID, verb, objectRef }) => [auditID, `${verb} ${objectRef?.resource}`])).values(),
    ]
  }
  await world.plane.eventually('both are watched', async () => (await watched()).length === 2)
  assert.deepEqual((await watched()).sort(), ['watch deployments', 'watch services'])
})

test('a kind that is shared is watched once for the whole cluster, as the puller, and drift of it is put back', async () => {
  const shared = [parseSharedKind('ConfigMap')]
  const input = printYaml(installObjects({ crdsOnly: true, shared }))
  await world.plane.runKubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input })
  const tenants = [await world.tenant(), await world.tenant()]
  for (const tenant of tenants) {
    const packed = tenant.release('1', [configMap('greeting', { hello: 'world' })])
    tenant.publish(packed, { promotion: { channel: 'production', sequence: 1 } })
    await tenant.deliver()
  }
  const mark = await world.plane.auditMark()
  start(tenants, { sharedWatch: shared })
  for (const tenant of tenants) {
    await world.plane.eventually('Applied', async () => (await tenant.condition('Ready'))?.reason === 'Applied')
    await patch(at(tenant), { data: { hello: 'nobody' } })
    await becomes(tenant, at(tenant), 'world', 'data', 'hello')
  }
  const watches = (await world.plane.auditSince(mark)).filter(
    ({ verb, objectRef }) => verb === 'watch' && objectRef?.resource === 'configmaps',
  )
  assert.ok(watches.length > 0)
  for (const { requestURI, impersonatedUser } of watches.filter(({ user }) =>
    user.username.includes('waybill-puller'),
  )) {
    assert.match(requestURI, /^\/api\/v1\/configmaps\?/)
    assert.equal(impersonatedUser, undefined)
  }
})
