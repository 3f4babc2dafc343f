import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { digestHex, digestOf } from '../../contract/digest.ts'
import { connectCluster } from '../../puller/cluster/cluster.ts'
import { runCommand, waybillHere } from '../cli/command.ts'
import { field } from '../real/control-plane.ts'
import { PULLER_NAMESPACE } from './installed.ts'
import { pullersOf } from './pullers.ts'
import { configMap } from './release-fixture.ts'
import { startWorld, type Tenant, type World, writesToUsersObjects } from './world.ts'

/** What happens to a puller that is not of its own making: tokens, other pullers, disks, API servers, what is under its feet. */
let world: World
before(async () => {
  world = await startWorld()
})
after(() => world?.stop())

const channel = 'production'
const first = { promotion: { channel, sequence: 1 } }
const second = { promotion: { channel, sequence: 2 } }
const greeting = (hello: string) => configMap('greeting', { hello })
const at = (tenant: Tenant, name = 'greeting') => `/api/v1/namespaces/${tenant.namespace}/configmaps/${name}`
const hello = async (tenant: Tenant) => field((await tenant.get(at(tenant))).body, 'data', 'hello')
const until = (tenant: Tenant, wanted: string) =>
  world.plane.eventually(`hello ${wanted}`, async () => (await hello(tenant)) === wanted)
const untilReason = (tenant: Tenant, reason: string, waitMs?: number) =>
  world.plane.eventually(
    `Ready says ${reason}`,
    async () => (await tenant.condition('Ready'))?.reason === reason,
    waitMs,
  )
const command = (args: readonly string[]) => waybillHere([...args, '--kubeconfig', world.plane.kubeconfig])

const start = pullersOf(() => world)

async function editByHand(tenant: Tenant, data: Record<string, string>): Promise<void> {
  const contentType = 'application/merge-patch+json'
  await world.plane.api('PATCH', `${at(tenant)}?fieldManager=somebody`, { body: { data }, contentType })
}

async function auditIsClean({ namespace }: Tenant): Promise<void> {
  const ran = await command(['audit', 'app', '-n', namespace])
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
}

/** A token that dies with the Secret it is bound to. */
async function boundToken(secret: string): Promise<string> {
  const account = `/api/v1/namespaces/${PULLER_NAMESPACE}`
  const made = await world.plane.api('POST', `${account}/secrets`, { body: { metadata: { name: secret } } })
  const boundObjectRef = { kind: 'Secret', apiVersion: 'v1', name: secret, uid: field(made.body, 'metadata', 'uid') }
  const body = { spec: { expirationSeconds: 3600, boundObjectRef } }
  const answer = await world.plane.api('POST', `${account}/serviceaccounts/waybill-puller/token`, { body })
  const token = field(answer.body, 'status', 'token')
  assert.ok(typeof token === 'string', JSON.stringify(answer.body))
  return token
}

test('a puller with a mounted service account delivers, and goes on with the token that took the place of a dead one', async () => {
  const tenant = await world.tenant()
  const directory = join(world.plane.directory, 'mounted')
  mkdirSync(directory)
  copyFileSync(world.plane.caFile, join(directory, 'ca.crt'))
  writeFileSync(join(directory, 'namespace'), PULLER_NAMESPACE)
  const token = await boundToken('first-token')
  writeFileSync(join(directory, 'token'), token)
  const { hostname: KUBERNETES_SERVICE_HOST, port: KUBERNETES_SERVICE_PORT } = new URL(world.plane.server)
  const args = [
    'puller',
    '--once',
    '--plain-http',
    '--cache-dir',
    tenant.cacheDir,
    '--only-namespace',
    tenant.namespace,
  ]
  const mounted = [...args, '--service-account-dir', directory]
  tenant.publish(tenant.release('1', [greeting('world')]), first)
  await tenant.deliver()
  const ran = await waybillHere(mounted, { env: { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } })
  assert.equal(ran.status, 0, ran.stderr)
  assert.equal(await hello(tenant), 'world')
  const nowhere = await waybillHere(mounted)
  assert.match(nowhere.stderr, /^error CLUSTER_CONFIG: KUBERNETES_SERVICE_HOST/m)

  const serviceAccount = { directory, host: KUBERNETES_SERVICE_HOST, port: KUBERNETES_SERVICE_PORT }
  start([tenant], { serviceAccount })
  await untilReason(tenant, 'Applied')
  writeFileSync(join(directory, 'token'), await boundToken('second-token'))
  await world.plane.api('DELETE', `/api/v1/namespaces/${PULLER_NAMESPACE}/secrets/first-token`)
  await world.plane.eventually('the first token is dead', async () => {
    return (await world.plane.api('GET', '/api', { token })).status === 401
  })
  tenant.publish(tenant.release('2', [greeting('mars')]), second)
  await tenant.annotate({ 'waybill.dev/reconcile': 'after the rotation' })
  await until(tenant, 'mars')
})

test('what an API server forbids before it knows the roles is not believed, however often it starts again', async () => {
  const cluster = connectCluster({ kubeconfig: world.kubeconfig })
  const path = '/apis/waybill.dev/v1alpha1/deliveries'
  const statuses = new Set<number>()
  let isOver = false
  const ask = async () => {
    while (!isOver)
      await cluster.request('puller', { method: 'GET', path }).then(
        ({ status }) => statuses.add(status),
        () => undefined,
      )
  }
  const asking = [1, 2, 3, 4].map(ask)
  for (let i = 0; i < 3; i++) await world.plane.restartApiserver()
  isOver = true
  await Promise.all(asking)
  await cluster.close()
  assert.ok(statuses.has(200) && !statuses.has(403), [...statuses].join())
})

test('two pullers at once converge on every release, and say everything once, in one chain', async () => {
  const tenant = await world.tenant()
  await tenant.deliver({ prune: { enabled: true, maxPercent: 100 } })
  const both = () => Promise.all([tenant.run(), tenant.run({ cacheDir: `${tenant.cacheDir}-other` })])
  for (const round of [1, 2, 3]) {
    const objects = [greeting(`${round}`), ...[1, 2, 3].map((i) => configMap(`of-${round}-${i}`, {}))]
    tenant.publish(tenant.release(`${round}`, objects), { promotion: { channel, sequence: round } })
    for (const said of await both()) assert.equal(said.ready, true, `${round}: ${said.reason}: ${said.message}`)
    assert.equal(await tenant.kinds(), Array(round).fill('Intent Applied').join(' '))
  }
  await editByHand(tenant, { hello: 'nobody' })
  for (const said of await both()) assert.equal(said.ready, true, `${said.reason}: ${said.message}`)
  assert.equal(await tenant.kinds(), 'Intent Applied Intent Applied Intent Applied Intent DriftCorrected')
  assert.equal(await hello(tenant), '3')
  const items = field((await tenant.get(at(tenant, ''))).body, 'items')
  const names = (Array.isArray(items) ? items : []).map((item) => String(field(item, 'metadata', 'name')))
  assert.deepEqual(names.filter((name) => name !== 'kube-root-ca.crt').sort(), [
    'greeting',
    'of-3-1',
    'of-3-2',
    'of-3-3',
  ])
  const inventories = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveryinventories`
  const shards = field((await tenant.get(inventories)).body, 'items')
  assert.equal(Array.isArray(shards) && shards.length, 1)
  const entries = field(shards, 0, 'spec', 'entries')
  assert.equal(Array.isArray(entries) && entries.length, 4)
  await auditIsClean(tenant)
})

describe('a value that the API server refuses and quotes', () => {
  const value = 'correct-horse-battery!'
  const container = (env: unknown) => ({ name: 'c', image: 'example.com/c:1', env })
  const pod = (env: unknown) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'it' },
    spec: { containers: [container(env)] },
  })
  const secret = (more: Record<string, unknown>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'it' },
    ...more,
  })
  const objects: readonly (readonly [string, Record<string, unknown>])[] = [
    ['a Secret whose data is not base64', secret({ data: { password: value } })],
    ['a Secret whose data is no text', secret({ data: { password: { it: value } } })],
    ['a Secret whose data is text', secret({ data: value })],
    [
      'a ConfigMap whose data is no text',
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'it' }, data: { password: [value] } },
    ],
    ['a Pod with the value as a variable’s name', pod([{ name: `=${value}`, value: '1' }])],
    ['a Pod with a value where there is none', pod([{ name: 'A', value: { it: value } }])],
    ['a ConfigMap that an admission policy quotes', configMap('quoted', { password: value })],
  ]
  before(async () => {
    const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic'
    const spec = {
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
        ],
      },
      validations: [
        { expression: "object.metadata.name != 'quoted'", messageExpression: "'not with ' + object.data.password" },
      ],
    }
    const made = [
      await world.plane.api('POST', `${policies}ies`, { body: { metadata: { name: 'quoting' }, spec } }),
      await world.plane.api('POST', `${policies}ybindings`, {
        body: { metadata: { name: 'quoting' }, spec: { policyName: 'quoting', validationActions: ['Deny'] } },
      }),
    ]
    assert.deepEqual(
      made.map(({ status }) => status),
      [201, 201],
    )
    const quoted = { metadata: { name: 'quoted' }, data: { password: value } }
    await world.plane.eventually('the policy is at work', async () => {
      const { body, status } = await world.plane.api('POST', '/api/v1/namespaces/default/configmaps?dryRun=All', {
        body: quoted,
      })
      return status === 422 && JSON.stringify(body).includes(value)
    })
  })

  for (const [what, object] of objects)
    test(`is nowhere to be read: ${what}`, async () => {
      const tenant = await world.tenant()
      tenant.publish(tenant.release('1', [greeting('world'), parseObject(object)]), first)
      await tenant.deliver()
      const lines: string[] = []
      const mark = await world.plane.auditMark()
      const said = await tenant.run({
        log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
      })
      assert.equal(said.ready, false)
      assert.equal(await tenant.kinds(), 'Refused', said.message)
      assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
      assert.ok(lines.length > 0)
      const where = ['-n', tenant.namespace]
      const outputs = [
        ...(await Promise.all([
          command(['get', ...where]),
          command(['get', 'app', ...where]),
          command(['history', 'app', ...where]),
          command(['get', 'app', ...where, '--output', 'json']),
          command(['history', 'app', ...where, '--output', 'json']),
        ])),
        await tenant.delivery(),
        await tenant.records(),
        (await tenant.get(`/api/v1/namespaces/${tenant.namespace}/events`)).body,
        said,
        lines,
      ]
      for (const output of outputs) assert.ok(!JSON.stringify(output).includes('horse'), JSON.stringify(output))
      assert.ok(JSON.stringify(said).includes(`${tenant.namespace}/${field(object, 'metadata', 'name')}`), said.message)
    })
})

function parseObject(value: unknown): KubeObject {
  return value as KubeObject
}

describe('the cache', () => {
  test('that has no room fails the look with nothing applied, and is well again with room', async () => {
    const tenant = await world.tenant()
    const large = configMap('large', { noise: randomBytes(100_000).toString('base64') })
    tenant.publish(tenant.release('1', [greeting('world'), large]), first)
    await tenant.deliver()
    // No file may grow beyond 64 KiB (EFBIG): the manifest and the config find room, the layer does not.
    const child = join(import.meta.dirname, 'puller-child.ts')
    const args = ['-c', 'ulimit -f 128; exec "$0" "$@"', process.execPath, child, world.kubeconfig, tenant.cacheDir]
    const ran = await runCommand('sh', [...args, tenant.namespace])
    const said: unknown = JSON.parse(ran.stdout)
    assert.deepEqual([field(said, 0, 'ready'), field(said, 0, 'reason')], [false, 'DISK_FULL'], JSON.stringify(said))
    assert.equal(await hello(tenant), undefined)
    assert.equal(await tenant.kinds(), '')
    assert.deepEqual(readdirSync(join(tenant.cacheDir, 'tmp')), [])
    assert.equal((await tenant.run()).ready, true)
    assert.equal(await tenant.kinds(), 'Intent Applied')
  })

  test('that was damaged is noticed: what it held is fetched again, and not believed with the registry down', async (t) => {
    t.after(() => world.registry.behave())
    const tenant = await world.tenant()
    const packed = tenant.release('1', [greeting('world')])
    tenant.publish(packed, first)
    await tenant.deliver()
    await tenant.run()
    const layer = join(tenant.cacheDir, 'blobs/sha256', digestHex(digestOf(packed.layer)))
    const damage = () => writeFileSync(layer, readFileSync(layer).fill(0, 40, 44))
    damage()
    await editByHand(tenant, { hello: 'nobody' })
    for (const method of ['GET', 'HEAD']) world.registry.when(method, /./).hangUp()
    const mark = await world.plane.auditMark()
    const said = await tenant.run()
    assert.deepEqual([said.ready, said.reason], [false, 'REGISTRY_UNREACHABLE'], said.message)
    assert.deepEqual(writesToUsersObjects(await world.plane.auditSince(mark), tenant.namespace), [])
    world.registry.behave()
    assert.equal((await tenant.run()).ready, true)
    assert.equal(await hello(tenant), 'world')
    damage()
    await editByHand(tenant, { hello: 'nobody' })
    assert.equal((await tenant.run()).ready, true)
    assert.equal(await hello(tenant), 'world')
  })
})

describe('in the middle of a reconcile', () => {
  const many = Array.from({ length: 200 }, (_, i) => configMap(`many-${i}`, { i: String(i) }))
  const begun = (tenant: Tenant) =>
    world.plane.eventually('some are there', async () => (await tenant.get(at(tenant, 'many-0'))).status === 200)

  test('an API server that goes away is waited for, and what was begun is finished', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', [greeting('world'), ...many]), first)
    await tenant.deliver()
    start([tenant])
    await begun(tenant)
    await world.plane.restartApiserver()
    // Looks that find it away come later and later, up to a minute apart.
    await untilReason(tenant, 'Applied', 120_000)
    assert.match(await tenant.kinds(), /^Intent (?:Failed )?Applied$/)
    const list = field((await tenant.get(at(tenant, ''))).body, 'items')
    assert.ok(Array.isArray(list) && list.length >= many.length + 1)
    await auditIsClean(tenant)
  })

  test('a Delivery that is deleted is left as it stands, and another of its name starts anew', async () => {
    const tenant = await world.tenant()
    tenant.publish(tenant.release('1', [greeting('world'), ...many]), first)
    await tenant.deliver()
    const lines: string[] = []
    start([tenant], { log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }) })
    await begun(tenant)
    const path = `/apis/waybill.dev/v1alpha1/namespaces/${tenant.namespace}/deliveries/app`
    assert.equal((await world.plane.api('DELETE', path)).status, 200)
    let count = -1
    await world.plane.eventually('nothing is written any more', async () => {
      const items = field((await tenant.get(at(tenant, ''))).body, 'items')
      const before = count
      count = Array.isArray(items) ? items.length : 0
      await new Promise((resolve) => setTimeout(resolve, 500))
      return count === before
    })
    assert.equal((await tenant.get(at(tenant, 'many-0'))).status, 200, 'what it delivered stays')
    assert.equal(await tenant.kinds(), 'Intent', 'and nothing is said of it any more')
    await tenant.deliver({ adopt: 'always' })
    await untilReason(tenant, 'Applied')
    assert.equal(await hello(tenant), 'world')
    assert.deepEqual(
      lines.filter((line) => line.includes('INTERNAL')),
      [],
    )
    await auditIsClean(tenant)
  })
})

test('a TrustPolicy that the API server takes and nobody can read closes what it covers', async () => {
  const [covered, other] = [await world.tenant(), await world.tenant()]
  for (const tenant of [covered, other]) {
    tenant.publish(tenant.release('1', [greeting('world')]), first)
    await tenant.deliver()
  }
  const spec = {
    repositories: [`${world.registry.host}/${covered.namespace}/*`],
    authorities: [{ name: 'ci', key: { pem: 'no key at all' } }],
    require: { signature: { by: ['ci'] } },
  }
  const body = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'unreadable' }, spec }
  const made = await world.plane.api('POST', '/apis/waybill.dev/v1alpha1/trustpolicies', { body })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  assert.equal((await covered.run()).reason, 'POLICY_INVALID')
  assert.equal(await covered.kinds(), 'Refused')
  assert.equal(await hello(covered), undefined)
  assert.equal((await other.run()).ready, true, 'and nothing else')
})
