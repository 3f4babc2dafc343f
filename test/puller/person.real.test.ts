import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { digestOf } from '../../contract/digest.ts'
import { waybillHere } from '../cli/command.ts'
import { field } from '../real/control-plane.ts'
import { PULLER_NAMESPACE } from './installed.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

/** What waits for a person, and what a person may decide: confirmations, broken records, Jobs, prune and adoption. */
let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const promoted = (sequence: number) => ({ promotion: { channel, sequence } })
const greeting = (hello: string) => configMap('greeting', { hello })
const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')

async function readText(verb: string, { namespace }: Tenant): Promise<string> {
  return (await waybillHere([verb, 'app', '-n', namespace, '--kubeconfig', world.plane.kubeconfig])).stdout
}

/** Runs the puller, which refuses and writes nothing of the user's. Returns what `waybill get` says there is to do. */
async function refused(tenant: Tenant, code: string): Promise<string> {
  const mark = await world.plane.auditMark()
  const said = await tenant.run()
  assert.deepEqual([said.ready, said.reason], [false, code], said.message)
  assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
  const text = await readText('get', tenant)
  const [, todo = ''] = /^To do: +(.*)$/m.exec(text) ?? []
  assert.equal(todo, (await tenant.condition('Stalled'))?.message, text)
  return todo
}

/** Does to the letter what `waybill get` says. */
async function confirmAsTold(tenant: Tenant, todo: string): Promise<void> {
  const [, key = '', value = ''] = /annotate the Delivery (\S+): (sha256:[0-9a-f]{64})/.exec(todo) ?? []
  assert.equal(key, 'waybill.dev/confirm', todo)
  await tenant.annotate({ [key]: value })
}

/** The command that says the same. */
function confirming({ namespace }: Tenant, todo: string): RegExp {
  const [digest = 'none'] = /sha256:[0-9a-f]{64}/.exec(todo) ?? []
  return new RegExp(`kubectl annotate delivery app -n ${namespace} --overwrite waybill.dev/confirm=${digest}\``)
}

async function letDoAnything({ namespace }: Tenant): Promise<void> {
  const subjects = [{ kind: 'ServiceAccount', namespace, name: 'waybill' }]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
  const body = { metadata: { name: `all-${namespace}` }, roleRef, subjects }
  await world.plane.api('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { body })
}

const namespaceObject: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-x' } }
const crd: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
}
const claim: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
}
const claimPath = ({ namespace }: Tenant) => `/api/v1/namespaces/${namespace}/persistentvolumeclaims/data`

describe('until a person confirms exactly what would be deleted, refused is', () => {
  const few = [1, 2, 3].map((i) => configMap(`of-${i}`, {}))
  const rows: readonly {
    readonly what: string
    readonly code: string
    readonly goes: readonly KubeObject[]
    readonly stays?: readonly KubeObject[]
    readonly maxPercent?: number
    readonly path: (tenant: Tenant) => string
  }[] = [
    {
      what: 'an empty environment',
      code: 'ENVIRONMENT_EMPTY',
      goes: few,
      stays: [],
      path: (tenant) => at(tenant, 'of-1'),
    },
    {
      what: 'a prune above maxPercent',
      code: 'PRUNE_LIMIT',
      goes: few,
      maxPercent: 74,
      path: (tenant) => at(tenant, 'of-1'),
    },
    {
      what: 'the prune of a Namespace',
      code: 'PRUNE_PROTECTED',
      goes: [namespaceObject],
      path: () => '/api/v1/namespaces/team-x',
    },
    {
      what: 'the prune of a CRD',
      code: 'PRUNE_PROTECTED',
      goes: [crd],
      path: () => '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com',
    },
    { what: 'the prune of a PersistentVolumeClaim', code: 'PRUNE_PROTECTED', goes: [claim], path: claimPath },
  ]
  for (const { what, code, goes, stays = [greeting('world')], maxPercent = 100, path } of rows)
    test(what, async () => {
      const tenant = await world.tenant()
      await letDoAnything(tenant)
      const first = tenant.release('1', [...stays, ...goes])
      tenant.publish(first, promoted(1))
      await tenant.deliver({ prune: { enabled: true, maxPercent } })
      if (goes.includes(claim)) {
        // Nobody binds claims here.
        await tenant.run({ waitTimeoutMs: 200 })
        const body = { status: { phase: 'Bound' } }
        await world.plane.api('PATCH', `${claimPath(tenant)}/status`, {
          body,
          contentType: 'application/merge-patch+json',
        })
      }
      const before = await tenant.run()
      assert.equal(before.ready, true, before.message)
      const second = tenant.release('2', stays)
      tenant.publish(second, promoted(2))
      const todo = await refused(tenant, code)
      assert.match(String((await tenant.condition('Ready'))?.message), confirming(tenant, todo))
      assert.equal((await tenant.records()).at(-1)?.error?.code, code)
      const told = await tenant.kinds()
      for (const other of [digestOf('another'), first.digest, second.digest, 'yes']) {
        await tenant.annotate({ 'waybill.dev/confirm': other })
        await refused(tenant, code)
        assert.equal(field((await tenant.get(path(tenant))).body, 'metadata', 'deletionTimestamp'), undefined)
        assert.equal((await tenant.get(path(tenant))).status, 200)
      }
      assert.equal(await tenant.kinds(), told, 'and it is told once')
      await confirmAsTold(tenant, todo)
      const said = await tenant.run()
      assert.equal(said.ready, true, said.message)
      const left = await tenant.get(path(tenant))
      // Without controllers a finalizer keeps it, on its way.
      assert.ok(left.status === 404 || field(left.body, 'metadata', 'deletionTimestamp') !== undefined)
      assert.equal(await tenant.kinds(), `${told} Intent Applied`)
      assert.notEqual((await tenant.records()).at(-1)?.confirmed?.by ?? '', '')
      assert.equal(await tenant.condition('Stalled'), undefined)
    })
})

test('a prune that was confirmed and is interrupted goes on without being confirmed again, and lets nothing else go later', async () => {
  const tenant = await world.tenant()
  const asking = (name: string, more: object = {}): KubeObject => ({
    ...configMap(name, {}),
    metadata: { name, annotations: { 'waybill.dev/prune': 'confirm', ...more } },
  })
  const first = asking('first', { 'waybill.dev/wave': '1' })
  const [second, third] = [asking('second'), asking('third')]
  tenant.publish(tenant.release('1', [greeting('world'), first, second, third]), promoted(1))
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  await tenant.run()
  const finalizers = (value: readonly string[] | null) =>
    world.plane.api('PATCH', at(tenant, 'first'), {
      body: { metadata: { finalizers: value } },
      contentType: 'application/merge-patch+json',
    })
  await finalizers(['example.com/wait'])
  tenant.publish(tenant.release('2', [greeting('world'), third]), promoted(2))
  await confirmAsTold(tenant, await refused(tenant, 'PRUNE_PROTECTED'))
  const stuck = await tenant.run({ waitTimeoutMs: 500 })
  assert.equal(stuck.ready, false, stuck.message)
  assert.equal((await tenant.get(at(tenant, 'second'))).status, 200)
  await finalizers(null)
  const said = await tenant.run()
  assert.equal(said.ready, true, said.message)
  assert.equal((await tenant.get(at(tenant, 'second'))).status, 404)
  tenant.publish(tenant.release('3', [greeting('world')]), promoted(3))
  await refused(tenant, 'PRUNE_PROTECTED')
  assert.equal((await tenant.get(at(tenant, 'third'))).status, 200)
})

test('what is confirmed in the middle of a release is on record before anything is deleted for it', async () => {
  const tenant = await world.tenant()
  const first: KubeObject = {
    ...configMap('first', {}),
    metadata: { name: 'first', annotations: { 'waybill.dev/wave': '1' } },
  }
  tenant.publish(tenant.release('1', [greeting('world'), first, configMap('old', {})]), promoted(1))
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  await tenant.run()
  const patch = (name: string, metadata: JsonObject) =>
    world.plane.api('PATCH', at(tenant, name), {
      body: { metadata },
      contentType: 'application/merge-patch+json',
    })
  await patch('first', { finalizers: ['example.com/wait'] })
  tenant.publish(tenant.release('2', [greeting('mars')]), promoted(2))
  const stop = new AbortController()
  const stopped = tenant.run({ signal: stop.signal }).catch(() => undefined)
  await world.plane.eventually(
    'it is in the middle of it',
    async () => field((await tenant.get(at(tenant, 'first'))).body, 'metadata', 'deletionTimestamp') !== undefined,
  )
  stop.abort()
  await stopped
  assert.match(await tenant.kinds(), /Intent$/)
  await patch('old', { annotations: { 'waybill.dev/prune': 'confirm' } })
  await confirmAsTold(tenant, await refused(tenant, 'PRUNE_PROTECTED'))
  await patch('first', { finalizers: null })
  assert.equal((await tenant.run()).ready, true)
  const intents = (await tenant.records()).filter(({ kind }) => kind === 'Intent')
  assert.deepEqual(
    intents.map(({ confirmed }) => confirmed?.guarded.length),
    [undefined, undefined, 1],
  )
})

test('a Job that changed is refused with a hint, and the rest of the release with it', async () => {
  const tenant = await world.tenant()
  const job = (image: string): KubeObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image }] } } },
  })
  tenant.publish(tenant.release('1', [greeting('world'), job('example.com/c:1')]), promoted(1))
  await tenant.deliver()
  await tenant.run({ waitTimeoutMs: 200 })
  tenant.publish(tenant.release('2', [greeting('mars'), job('example.com/c:2')]), promoted(2))
  const todo = await refused(tenant, 'JOB_CHANGED')
  assert.match(todo, /give it a new name/)
  assert.equal(await hello(tenant), 'world')
  assert.equal((await tenant.records()).at(-1)?.error?.objects?.[0]?.object, `Job.batch ${tenant.namespace}/migrate`)
})

test('with prune switched off nothing is deleted, not even of an empty environment, and switched on again it is', async () => {
  const tenant = await world.tenant()
  tenant.publish(tenant.release('1', [greeting('world'), configMap('old', {})]), promoted(1))
  await tenant.deliver({ prune: { enabled: false } })
  await tenant.run()
  tenant.publish(tenant.release('2', [greeting('mars')]), promoted(2))
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await hello(tenant), 'mars')
  assert.equal((await tenant.get(at(tenant, 'old'))).status, 200)
  tenant.publish(tenant.release('3', []), promoted(3))
  await tenant.run()
  assert.equal(await hello(tenant), 'mars')
  tenant.publish(tenant.release('4', [greeting('venus')]), promoted(4))
  await tenant.deliver({ prune: { enabled: true, maxPercent: 50 } })
  assert.equal((await tenant.run()).ready, true)
  assert.equal((await tenant.get(at(tenant, 'old'))).status, 404)
})

test('adopt: never takes nothing, if-unowned what nobody has, always what somebody has', async () => {
  const tenant = await world.tenant()
  const make = async (name: string, labels: Record<string, string>) => {
    const body = { metadata: { name, labels }, data: { of: 'somebody' } }
    await world.plane.api('POST', `/api/v1/namespaces/${tenant.namespace}/configmaps`, { body })
  }
  const of = async (name: string) => field((await tenant.get(at(tenant, name))).body, 'data', 'of')
  await make('free', {})
  await make('owned', { 'argocd.argoproj.io/instance': 'shop' })
  tenant.publish(tenant.release('1', [configMap('free', { of: 'us' })]), promoted(1))
  await tenant.deliver()
  await refused(tenant, 'OBJECT_OWNED')
  await tenant.deliver({ adopt: 'if-unowned' })
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await of('free'), 'us')
  tenant.publish(tenant.release('2', [configMap('free', { of: 'us' }), configMap('owned', { of: 'us' })]), promoted(2))
  await refused(tenant, 'OBJECT_OWNED')
  assert.match(String((await tenant.condition('Ready'))?.message), /belongs to Argo CD application shop/)
  await tenant.deliver({ adopt: 'always' })
  assert.equal((await tenant.run()).ready, true)
  assert.equal(await of('owned'), 'us')
})

/** The last here: from now on nobody guards the records. */
describe('a chain of records that was broken stops all writes, and what `waybill get` says to do heals it:', () => {
  before(async () => {
    await world.plane.runKubectl(['delete', 'validatingadmissionpolicybinding', '--all'])
  })
  const head = `/api/v1/namespaces/${PULLER_NAMESPACE}/configmaps/waybill-records`
  const setHead = async (tenant: Tenant, value: string | null) => {
    const uid = String(field(await tenant.delivery(), 'metadata', 'uid'))
    return world.plane.api('PATCH', head, {
      body: { data: { [uid]: value } },
      contentType: 'application/merge-patch+json',
    })
  }
  const remove = async (tenant: Tenant, sequence: number) => {
    const path = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveryrecords`
    const items = field((await tenant.get(path)).body, 'items')
    const found = (Array.isArray(items) ? items : []).find((item) => field(item, 'spec', 'sequence') === sequence)
    return world.plane.api('DELETE', `${path}/${field(found, 'metadata', 'name')}`)
  }
  for (const [what, harm] of [
    ['the newest record removed', (tenant: Tenant) => remove(tenant, 4)],
    ['a record in the middle removed', (tenant: Tenant) => remove(tenant, 2)],
    ['the head removed', (tenant: Tenant) => setHead(tenant, null)],
    ['the head overwritten', (tenant: Tenant) => setHead(tenant, 'nothing')],
  ] as const)
    test(what, async () => {
      const tenant = await world.tenant()
      for (const i of [1, 2]) {
        tenant.publish(tenant.release(`${i}`, [greeting(`${i}`)]), promoted(i))
        await tenant.deliver()
        await tenant.run()
      }
      assert.equal(await tenant.kinds(), 'Intent Applied Intent Applied')
      await world.plane.eventually('it can be done', async () => (await harm(tenant)).status === 200)
      tenant.publish(tenant.release('3', [greeting('3')]), promoted(3))
      const todo = await refused(tenant, 'RECORD_CHAIN_BROKEN')
      await confirmAsTold(tenant, todo)
      assert.equal((await tenant.run()).ready, true)
      assert.equal(await hello(tenant), '3')
      assert.match(await tenant.kinds(), /Checkpoint (?:Failed )?Intent Applied$/)
      assert.equal((await tenant.run()).ready, true)
    })
})
