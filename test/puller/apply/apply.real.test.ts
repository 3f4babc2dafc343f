import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { applyPlan } from '../../../puller/apply/apply.ts'
import type { ConnectedCluster } from '../../../puller/cluster/cluster.ts'
import { applyObject } from '../../../puller/plan/dry-run.ts'
import { writeInventory } from '../../../puller/plan/inventory.ts'
import { type ControlPlane, field } from '../../real/control-plane.ts'
import { configMap, deliver, deployment, job, refusals, results } from '../delivered.ts'
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

const get = async (path: string) => plane.api('GET', path)
const mapPath = (namespace: string, name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
const patch = (path: string, body: unknown, manager = 'somebody') =>
  plane.api('PATCH', `${path}?fieldManager=${manager}`, { body, contentType: 'application/merge-patch+json' })

test('what is delivered exists, is in the inventory with its uid, and a second look finds nothing to do', async () => {
  const { run, inventory, namespace } = await deliver(plane, puller)
  const objects = [configMap('a'), deployment('web')]
  const first = await run(objects)
  assert.deepEqual(results(first.applied), [
    `created ConfigMap ${namespace}/a`,
    `created Deployment.apps ${namespace}/web`,
  ])
  assert.equal(first.plan.isNoop, false)
  const entries = [...(await inventory()).entries.values()]
  assert.deepEqual(
    entries.map(({ state }) => state),
    ['created', 'created'],
  )
  const live = await get(mapPath(namespace, 'a'))
  assert.ok(entries.some(({ uid }) => uid === field(live.body, 'metadata', 'uid')))
  const mark = await plane.auditMark()
  const second = await run(objects)
  assert.equal(second.plan.isNoop, true)
  assert.deepEqual(second.plan.changes, [])
  const writes = (await plane.auditSince(mark)).filter(
    ({ verb, requestURI }) => !['get', 'list', 'watch'].includes(verb) && !requestURI.includes('dryRun=All'),
  )
  assert.deepEqual(writes, [])
})

test('every request for a user’s object is made as the service account', async () => {
  const { run, namespace } = await deliver(plane, puller)
  const mark = await plane.auditMark()
  await run([configMap('a'), configMap('b')])
  await run([configMap('a', { a: '2' })])
  const touched = (await plane.auditSince(mark)).filter(({ objectRef }) => objectRef?.resource === 'configmaps')
  assert.ok(touched.length >= 8)
  for (const event of touched)
    assert.equal(event.impersonatedUser?.username, `system:serviceaccount:${namespace}:waybill`, event.requestURI)
})

test('an object that somebody else made is refused under adopt never, and nothing at all is written', async () => {
  const { run, namespace, inventory } = await deliver(plane, puller)
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps?fieldManager=alice`, {
    body: configMap('theirs'),
  })
  const { plan, applied } = await run([configMap('mine'), configMap('theirs', { a: '2' })])
  assert.equal(applied, undefined)
  assert.deepEqual(refusals(plan), [`OBJECT_OWNED ConfigMap ${namespace}/theirs`])
  assert.match(plan.refusals[0]?.message ?? '', /alice/)
  assert.equal((await get(mapPath(namespace, 'mine'))).status, 404)
  assert.equal((await inventory()).entries.size, 0)
})

test('an object that appears between the look and the write is not taken over', async () => {
  const { plan, context, namespace, inventory } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  const looked = await plan([configMap('race')])
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps?fieldManager=alice`, {
    body: configMap('race', { theirs: 'yes' }),
  })
  const applied = await applyPlan(context, looked, await inventory(), puller)
  assert.deepEqual(results(applied), [`refused ConfigMap ${namespace}/race OBJECT_OWNED`])
  assert.deepEqual(field((await get(mapPath(namespace, 'race'))).body, 'data'), { theirs: 'yes' })
  assert.equal((await inventory()).entries.size, 0)
})

test('the inventory is written before the first object, and objects in the order of their stages', async () => {
  const { run, namespace } = await deliver(plane, puller)
  const mark = await plane.auditMark()
  await run([deployment('web'), configMap('a')])
  const writes = (await plane.auditSince(mark))
    .filter(
      ({ verb, requestURI }) => ['create', 'update', 'patch'].includes(verb) && !requestURI.includes('dryRun=All'),
    )
    .filter(({ objectRef }) => objectRef?.namespace === namespace)
    .map(({ objectRef }) => objectRef?.resource)
  assert.deepEqual(writes, ['deliveryinventories', 'configmaps', 'deployments', 'deliveryinventories'])
})

test('a failure in one stage leaves out the later ones and the prune', async () => {
  const { run, plan, context, inventory, namespace } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  await run([configMap('old')])
  const looked = await plan([configMap('race'), deployment('web')])
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: configMap('race') })
  const applied = await applyPlan(context, looked, await inventory(), puller)
  assert.deepEqual(results(applied), [`refused ConfigMap ${namespace}/race OBJECT_OWNED`])
  assert.equal((await get(mapPath(namespace, 'old'))).status, 200)
  assert.equal((await get(`/apis/apps/v1/namespaces/${namespace}/deployments/web`)).status, 404)
})

test('a plan with a refusal is never applied', async () => {
  const { plan, context, inventory, namespace } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  const looked = await plan([configMap('good'), deployment('typo', { imag: 'x' })])
  await assert.rejects(applyPlan(context, looked, await inventory(), puller), { code: 'PLAN_REFUSED' })
  assert.equal((await get(mapPath(namespace, 'good'))).status, 404)
})

test('told to stop, it writes down what it did and starts nothing more', async () => {
  const { plan, context, inventory, namespace } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  const looked = await plan([configMap('a')])
  const stopped = await applyPlan(context, looked, await inventory(), puller, { signal: AbortSignal.abort() })
  assert.deepEqual([stopped.aborted, stopped.outcomes], [true, []])
  assert.equal((await get(mapPath(namespace, 'a'))).status, 404)
})

test('an object that is replaced or deleted between the look and the write is neither changed nor made again', async () => {
  const { run, plan, context, namespace, inventory } = await deliver(plane, puller)
  const { applyPlan } = await import('../../../puller/apply/apply.ts')
  await run([configMap('replaced'), configMap('deleted')])
  const looked = await plan([configMap('replaced', { a: '2' }), configMap('deleted', { a: '2' })])
  await plane.api('DELETE', mapPath(namespace, 'replaced'))
  await plane.api('DELETE', mapPath(namespace, 'deleted'))
  const maps = `/api/v1/namespaces/${namespace}/configmaps`
  await plane.api('POST', maps, { body: configMap('replaced', { hand: 'made' }) })
  const applied = await applyPlan(context, looked, await inventory(), puller)
  assert.deepEqual(results(applied), [
    `failed ConfigMap ${namespace}/deleted CLUSTER_CONFLICT`,
    `failed ConfigMap ${namespace}/replaced CLUSTER_CONFLICT`,
  ])
  assert.deepEqual(field((await get(mapPath(namespace, 'replaced'))).body, 'data'), { hand: 'made' })
  assert.equal((await get(mapPath(namespace, 'deleted'))).status, 404)
  const again = await run([configMap('deleted', { a: '2' })])
  assert.ok(results(again.applied).includes(`created ConfigMap ${namespace}/deleted`))
})

test('adopt if-unowned takes what nobody has, and not what has an owner', async () => {
  const { run, namespace } = await deliver(plane, puller)
  const make = (name: string, more: object, query = '') =>
    plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps${query}`, { body: configMap(name, { a: '1' }, more) })
  await make('free', {})
  await make('helm', { annotations: { 'meta.helm.sh/release-name': 'shop' } })
  await make('flux', { labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } })
  await make('owned', {
    ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'b6c32c3b-fdb4-40d7-b02b-dfc23ec32da5' }],
  })
  await make('set', { labels: { 'applyset.kubernetes.io/part-of': 'applyset-other-v1' } })
  await plane.api('PATCH', `${mapPath(namespace, 'applied')}?fieldManager=other`, {
    body: { ...configMap('applied') },
    contentType: 'application/apply-patch+yaml',
  })
  const named = (name: string) => `OBJECT_OWNED ConfigMap ${namespace}/${name}`
  const owned = ['applied', 'flux', 'helm', 'owned', 'set']
  const { plan } = await run(
    [...owned, 'free'].map((name) => configMap(name, { a: '2' })),
    { adopt: 'if-unowned' },
  )
  assert.deepEqual(refusals(plan), owned.map(named))
  const { applied } = await run([configMap('free', { a: '2' })], { adopt: 'if-unowned' })
  assert.deepEqual(results(applied), [`adopted ConfigMap ${namespace}/free`])
  const all = await run(owned.map((name) => configMap(name, { a: '2' })).concat(configMap('free', { a: '2' })), {
    adopt: 'always',
  })
  assert.deepEqual(results(all.applied), [
    ...owned.map((name) => `adopted ConfigMap ${namespace}/${name}`),
    `unchanged ConfigMap ${namespace}/free`,
  ])
})

test('two Deliveries never own one object, whatever adopt says', async () => {
  const first = await deliver(plane, puller)
  await first.run([configMap('shared')])
  const second = await deliver(plane, puller, { namespace: first.namespace, name: 'other' })
  for (const adopt of ['never', 'if-unowned', 'always'] as const) {
    const plan = await second.plan([configMap('shared', { a: '2' })], { adopt })
    assert.deepEqual(refusals(plan), [`OBJECT_OWNED ConfigMap ${first.namespace}/shared`])
    assert.match(plan.refusals[0]?.message ?? '', new RegExp(`${first.namespace}/shop`))
  }
  // Left behind by its Delivery, it may be adopted.
  await plane.api('DELETE', `/apis/waybill.dev/v1alpha1/namespaces/${first.namespace}/deliveries/shop`)
  const { applied } = await second.run([configMap('shared', { a: '2' })], { adopt: 'always' })
  assert.deepEqual(results(applied), [`adopted ConfigMap ${first.namespace}/shared`])
})

test('an object deleted and made again by another hand is not ours any more, even with our claim copied onto it', async () => {
  const { run, namespace } = await deliver(plane, puller)
  await run([configMap('a')])
  const { body } = await get(mapPath(namespace, 'a'))
  await plane.api('DELETE', mapPath(namespace, 'a'))
  const again = {
    ...configMap('a', { hand: 'made' }),
    metadata: {
      name: 'a',
      annotations: field(body, 'metadata', 'annotations'),
      labels: field(body, 'metadata', 'labels'),
    },
  }
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: again })
  const { plan } = await run([configMap('a')])
  assert.deepEqual(refusals(plan), [`OBJECT_OWNED ConfigMap ${namespace}/a`])
  const pruned = await run([configMap('b')])
  assert.deepEqual(
    pruned.plan.changes.map(({ action, object }) => `${action} ${object}`),
    [`forget ConfigMap ${namespace}/a`, `create ConfigMap ${namespace}/b`],
  )
  assert.deepEqual(field((await get(mapPath(namespace, 'a'))).body, 'data'), { hand: 'made' })
})

test('after a crash between the create and its record, the object is known by its claim; a forged one is not', async () => {
  const { context, plan, inventory, run, namespace } = await deliver(plane, puller)
  const looked = await plan([configMap('a'), configMap('b')])
  await writeInventory(puller, context.delivery, await inventory(), looked.ahead)
  const [a] = looked.desired
  assert.ok(a?.resource)
  assert.equal((await applyObject(puller, context.account, a.resource, a, 'absent', { dryRun: false })).status, 201)
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    body: configMap('b', { a: '1' }, { annotations: { 'waybill.dev/claim': 'AAAAAAAAAAAAAAAAAAAAAA' } }),
  })
  const again = await run([configMap('a'), configMap('b')])
  assert.deepEqual(refusals(again.plan), [`OBJECT_OWNED ConfigMap ${namespace}/b`])
  const { applied, plan: settled } = await run([configMap('a')])
  assert.deepEqual(results(applied), [`unchanged ConfigMap ${namespace}/a`])
  assert.deepEqual(settled.changes, [])
  assert.deepEqual(
    [...(await inventory()).entries.values()].map(({ name, state }) => `${name} ${state}`),
    ['a created'],
  )
})

test('what another puller makes between our look and our create stays in the inventory, and is ours at the next look', async () => {
  const { context, plan, inventory, run, namespace } = await deliver(plane, puller)
  const ahead = await plan([configMap('a')])
  const stored = await writeInventory(puller, context.delivery, await inventory(), ahead.ahead)
  const looked = await plan([configMap('a')])
  const [a] = looked.desired
  assert.ok(a?.resource)
  assert.equal((await applyObject(puller, context.account, a.resource, a, 'absent', { dryRun: false })).status, 201)
  const applied = await applyPlan(context, looked, stored, puller)
  assert.deepEqual(results(applied), [`failed ConfigMap ${namespace}/a CLUSTER_CONFLICT`])
  const again = await run([configMap('a')])
  assert.deepEqual(results(again.applied), [`unchanged ConfigMap ${namespace}/a`])
})

test('drift names the field, the manager that holds it and since when, and is put back', async () => {
  const { run, plan, namespace } = await deliver(plane, puller)
  const objects = [deployment('web'), configMap('a')]
  await run(objects)
  await plane.runKubectl(['-n', namespace, 'scale', 'deployment/web', '--replicas=5'])
  await plane.runKubectl(['-n', namespace, 'set', 'image', 'deployment/web', 'app=evil:1'])
  await patch(mapPath(namespace, 'a'), { data: { 'x.y': 'added', a: 'changed' } })
  const [map, web] = (await plan(objects)).changes
  assert.deepEqual(map?.fields, ['data.a'])
  assert.equal(map?.manager, 'somebody')
  assert.match(map?.since ?? '', /^\d{4}-/)
  assert.deepEqual(web?.fields, ['spec.replicas', 'spec.template.spec.containers[name="app"].image'])
  assert.match(web?.manager ?? '', /^kubectl/)
  const { applied } = await run(objects)
  assert.deepEqual(results(applied), [
    `configured ConfigMap ${namespace}/a`,
    `configured Deployment.apps ${namespace}/web`,
  ])
  assert.equal((await plan(objects)).isNoop, true)
  const live = await get(`/apis/apps/v1/namespaces/${namespace}/deployments/web`)
  assert.equal(field(live.body, 'spec', 'replicas'), 2)
})

test('all refusals are told together, and an account without rights writes nothing', async () => {
  const { run, namespace, inventory } = await deliver(plane, puller)
  await plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: configMap('theirs') })
  const { plan, applied } = await run([
    configMap('good'),
    configMap('theirs'),
    deployment('typo', { imag: 'x' }),
    deployment('invalid', {}, { selector: { matchLabels: { app: 'else' } } }),
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'forbidden' }, rules: [] },
    { apiVersion: 'example.com/v1', kind: 'Nothing', metadata: { name: 'x' } },
    { ...configMap('elsewhere'), metadata: { name: 'elsewhere', namespace: 'no-such-namespace' } },
    configMap('twice'),
    configMap('twice'),
  ])
  assert.equal(applied, undefined)
  assert.deepEqual(refusals(plan), [
    'KIND_UNKNOWN Nothing.example.com x',
    'OBJECT_FORBIDDEN ClusterRole.rbac.authorization.k8s.io forbidden',
    'OBJECT_FORBIDDEN ConfigMap no-such-namespace/elsewhere',
    `OBJECT_OWNED ConfigMap ${namespace}/theirs`,
    `OBJECT_REFUSED ConfigMap ${namespace}/twice`,
    `OBJECT_REFUSED Deployment.apps ${namespace}/invalid`,
    `OBJECT_REFUSED Deployment.apps ${namespace}/typo`,
  ])
  assert.match(
    plan.refusals.find(({ object }) => object.endsWith('typo'))?.message ?? '',
    /containers\[0\]\.imag: unknown field/,
  )
  assert.equal((await inventory()).entries.size, 0)
  assert.equal((await get(mapPath(namespace, 'good'))).status, 404)
})

test('no secret value appears in anything that is said', async () => {
  const { run, plan, namespace } = await deliver(plane, puller)
  const value = 'hunter2-very-secret'
  const data = Buffer.from(value).toString('base64')
  const secret = (more: object) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, ...more })
  const said: unknown[] = []
  said.push(await run([secret({ data: { password: `!!${value}` } })]))
  said.push(await run([deployment('env', { env: [{ name: 'P', value: { nested: value } }] })]))
  said.push(
    await run([deployment('env', { env: [{ name: 'P', value, valueFrom: { fieldRef: { fieldPath: value } } }] })]),
  )
  said.push(await run([secret({ data: { password: data }, type: 'kubernetes.io/dockerconfigjson' })]))
  said.push(await run([secret({ data: { password: data } })]))
  await patch(`/api/v1/namespaces/${namespace}/secrets/s`, { data: { password: 'bm90aGluZw==' } })
  const drifted = await plan([secret({ data: { password: data } })])
  assert.deepEqual(drifted.changes[0]?.fields, ['data.password'])
  const inspect = JSON.stringify(said, (key, item) => (key === 'object' && typeof item === 'object' ? undefined : item))
  assert.ok(!inspect.includes(value) && !inspect.includes(data))
  assert.ok(!JSON.stringify(drifted.changes).includes('bm90'))
})

test('a changed Job is refused with a hint, and other fields that cannot change as such', async () => {
  const { run, plan, namespace } = await deliver(plane, puller)
  await run([job('migrate', 'm:1'), deployment('web'), { ...configMap('fixed'), immutable: true }])
  const changed = await plan([
    job('migrate', 'm:2'),
    deployment('web', {}, { selector: { matchLabels: { app: 'web', tier: 'x' } } }),
    { ...configMap('fixed', { a: '2' }), immutable: true },
  ])
  assert.deepEqual(refusals(changed), [
    `JOB_CHANGED Job.batch ${namespace}/migrate`,
    `OBJECT_IMMUTABLE ConfigMap ${namespace}/fixed`,
    `OBJECT_IMMUTABLE Deployment.apps ${namespace}/web`,
  ])
})

test('a Role and the RoleBinding to it, a namespace and what is in it, a CRD and its objects come in one set', async () => {
  const { run, grant, namespace } = await deliver(plane, puller)
  const group = `${namespace}.example.com`
  await grant([
    {
      apiGroups: ['', 'apiextensions.k8s.io', group],
      resources: ['namespaces', 'configmaps', 'customresourcedefinitions', 'widgets'],
      verbs: ['*'],
    },
  ])
  const rbac = 'rbac.authorization.k8s.io/v1'
  const set = [
    widget(group, 'w', { size: 3 }),
    { ...configMap('inside'), metadata: { name: 'inside', namespace: `${namespace}-new` } },
    {
      apiVersion: rbac,
      kind: 'RoleBinding',
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'app', namespace }],
    },
    {
      apiVersion: rbac,
      kind: 'Role',
      metadata: { name: 'reader' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
    },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${namespace}-new` } },
    widgetCrd(group),
  ]
  const bad = await run([...set.slice(1), widget(group, 'w', { size: 0, colour: 'red' })])
  assert.deepEqual(refusals(bad.plan), [`OBJECT_REFUSED Widget.${group} ${namespace}/w`])
  assert.match(bad.plan.refusals[0]?.message ?? '', /spec\.colour: unknown field/)
  assert.equal((await get(`/api/v1/namespaces/${namespace}-new`)).status, 404)
  const { applied } = await run(set)
  assert.deepEqual(
    applied?.outcomes.filter(({ result }) => result !== 'created'),
    [],
  )
  assert.equal(applied?.outcomes.length, 6)
  assert.equal((await run(set)).plan.isNoop, true)
})

test('a CRD that brings a new version, and its objects in that version, come in one set', async () => {
  const { run, grant, namespace, inventory } = await deliver(plane, puller)
  const group = `${namespace}.example.com`
  await grant([{ apiGroups: ['apiextensions.k8s.io', group], resources: ['*'], verbs: ['*'] }])
  await run([widgetCrd(group), widget(group, 'w', { size: 1 })])
  const old = widgetCrd(group)
  const versions = [
    { ...old.spec.versions[0], storage: false },
    { ...old.spec.versions[0], name: 'v2' },
  ]
  const set = [
    { ...old, spec: { ...old.spec, versions } },
    { ...widget(group, 'w', { size: 2 }), apiVersion: `${group}/v2` },
  ]
  const { applied } = await run(set)
  assert.deepEqual(results(applied), [
    `configured CustomResourceDefinition.apiextensions.k8s.io widgets.${group}`,
    `configured Widget.${group} ${namespace}/w`,
  ])
  assert.equal((await run(set)).plan.isNoop, true)
  assert.equal((await inventory()).entries.size, 2)
})

test('a deferred object that the account may not make is refused before anything is written', async () => {
  const { plan, grant, namespace } = await deliver(plane, puller)
  await grant([
    { apiGroups: [''], resources: ['namespaces'], verbs: ['*'] },
    { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
  ])
  const looked = await plan([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${namespace}-new` } },
    { ...configMap('inside'), metadata: { name: 'inside', namespace: `${namespace}-new` } },
  ])
  assert.deepEqual(refusals(looked), [`OBJECT_FORBIDDEN ConfigMap ${namespace}-new/inside`])
})

test('an API group that is broken does not stop the objects of others', async () => {
  const { run, grant, namespace } = await deliver(plane, puller)
  const group = `${namespace}.example.com`
  await grant([{ apiGroups: ['apiextensions.k8s.io', group], resources: ['*'], verbs: ['*'] }])
  await run([widgetCrd(group), widget(group, 'w', { size: 1 })])
  const conversion = {
    strategy: 'Webhook',
    webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://127.0.0.1:1/convert' } },
  }
  const crd = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`
  const broken = widgetCrd(group)
  const v2 = { ...broken.spec.versions[0], name: 'v2', storage: false }
  await patch(crd, { spec: { conversion, versions: [broken.spec.versions[0], v2] } })
  const v2Widget = { ...widget(group, 'w', { size: 1 }), apiVersion: `${group}/v2` }
  await plane.eventually(
    'v2 is served and its conversion broken',
    async () => (await get(`/apis/${group}/v2/namespaces/${namespace}/widgets/w`)).status === 500,
  )
  const { applied, plan } = await run([v2Widget, configMap('fine'), configMap('also')], {
    prune: { enabled: false, maxPercent: 100 },
  })
  assert.deepEqual(
    plan.failures.map(({ object, code }) => `${code} ${object}`),
    [`CLUSTER_FAILED Widget.${group} ${namespace}/w`],
  )
  assert.deepEqual(results(applied), [
    `created ConfigMap ${namespace}/also`,
    `created ConfigMap ${namespace}/fine`,
    `failed Widget.${group} ${namespace}/w CLUSTER_FAILED`,
  ])
})

test('a group whose server is down stops no others, and what it holds is not taken for gone', async () => {
  const { run, context, inventory, namespace } = await deliver(plane, puller)
  const { writeInventory } = await import('../../../puller/plan/inventory.ts')
  const group = `down.${namespace}.example.com`
  const service = `/apis/apiregistration.k8s.io/v1/apiservices/v1.${group}`
  await plane.api('POST', '/apis/apiregistration.k8s.io/v1/apiservices', {
    body: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: 'v1',
        groupPriorityMinimum: 10,
        versionPriority: 10,
        insecureSkipTLSVerify: true,
        service: { name: 'nobody', namespace, port: 443 },
      },
    },
  })
  await plane.eventually('the group is down', async () => (await get(`/apis/${group}/v1`)).status === 503)
  const held = { group, kind: 'Gadget', namespace, name: 'old', uid: 'u', state: 'created' } as const
  await writeInventory(puller, context.delivery, await inventory(), [held])
  const gadget = { apiVersion: `${group}/v1`, kind: 'Gadget', metadata: { name: 'new' } }
  const { plan, applied } = await run([gadget, configMap('fine')])
  assert.deepEqual(refusals(plan), [])
  assert.deepEqual(results(applied), [
    `created ConfigMap ${namespace}/fine`,
    `failed Gadget.${group} new CLUSTER_FAILED`,
  ])
  assert.ok([...(await inventory()).entries.values()].some(({ name }) => name === 'old'))
  await plane.api('DELETE', service)
})

function widgetCrd(group: string) {
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: { type: 'object', required: ['size'], properties: { size: { type: 'integer', minimum: 1 } } },
      },
    },
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}

function widget(group: string, name: string, spec: object) {
  return { apiVersion: `${group}/v1`, kind: 'Widget', metadata: { name }, spec }
}
