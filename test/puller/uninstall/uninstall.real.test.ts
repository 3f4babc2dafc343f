import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { tenantObjects } from '../../../puller/install/tenant.ts'
import { assertFails, type Ran, waybillHere } from '../../cli/command.ts'
import { field } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { pullersOf } from '../pullers.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type Tenant, type World } from '../world.ts'

/** One cluster, from an install to an uninstall and to another install: these tests follow one another. */
let world: World
let tenants: readonly [Tenant, Tenant]
const folder = mkdtempSync(join(tmpdir(), 'waybill-uninstall-'))
const RECORDS = join(folder, 'records.jsonl')
const IMAGE = `registry.example.com/waybill@sha256:${'1'.repeat(64)}`

before(async () => {
  world = await startWorld({ controllers: true })
  await install()
  tenants = [await world.tenant(), await world.tenant()]
  for (const [i, tenant] of tenants.entries()) {
    tenant.publish(tenant.release('1', [configMap('greeting', { hello: 'world' }), configMap('other', { k: 'v' })]), {
      promotion: { channel: 'production', sequence: 1 },
    })
    await tenant.deliver({ deletion: i === 0 ? 'delete' : 'orphan' })
    const said = await tenant.run({ guard: true })
    assert.equal(said.ready, true, said.message)
  }
})
after(async () => {
  rmSync(folder, { recursive: true, force: true })
  await world?.stop()
})
const start = pullersOf(() => world)

async function install(): Promise<void> {
  const options = { crdsOnly: false, image: IMAGE, guard: { groups: [] }, attribution: true } as const
  await apply(installObjects(options))
  await world.plane.runKubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'])
}
async function apply(objects: Parameters<typeof printYaml>[0]): Promise<void> {
  await world.plane.runKubectl(['apply', '--server-side', '-f', '-'], { input: printYaml(objects) })
}
const uninstall = (args: readonly string[] = [], kubeconfig = world.plane.kubeconfig): Promise<Ran> =>
  waybillHere(['uninstall', '--kubeconfig', kubeconfig, ...args])

const CLUSTER_KINDS = [
  'crd',
  'clusterrole',
  'clusterrolebinding',
  'validatingadmissionpolicy',
  'validatingadmissionpolicybinding',
  'mutatingadmissionpolicy',
  'mutatingadmissionpolicybinding',
  'namespace',
].join(',')
/** Of Waybill, in all of the cluster but what tenants have of their own. */
async function ofWaybill(): Promise<string[]> {
  const names = (text: string) => text.split('\n').filter((line) => line.includes('waybill'))
  const wide = await world.plane.runKubectl(['get', CLUSTER_KINDS, '-o', 'name'])
  const roles = await world.plane.runKubectl(['get', 'role,rolebinding', '-A', '-o', 'name'])
  return [...names(wide), ...names(roles).filter((name) => !name.endsWith('/waybill'))]
}
/** Everything in the tenants' namespaces but the puller's right to act there, by uid, in which version. */
async function delivered(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const { namespace } of tenants) {
    const kinds = 'configmap,serviceaccount,role,rolebinding,secret'
    const list: unknown = JSON.parse(await world.plane.runKubectl(['get', kinds, '-n', namespace, '-o', 'json']))
    const items = field(list, 'items')
    for (const item of Array.isArray(items) ? items : []) {
      const [kind, name, uid, version] = [
        field(item, 'kind'),
        ...['name', 'uid', 'resourceVersion'].map((of) => field(item, 'metadata', of)),
      ]
      if (!String(name).startsWith('waybill-puller')) found.set(`${namespace} ${kind} ${name}`, `${uid} ${version}`)
    }
  }
  return found
}

test('without --yes it says what would go and what stays, and removes nothing', async () => {
  const before = await ofWaybill()
  const ran = await uninstall()
  assert.equal(ran.status, 3)
  for (const what of ['Deployment.apps waybill-system/waybill-puller', '2 Deliveries, 2 TrustPolicies', 'Nothing was'])
    assert.match(ran.stdout, new RegExp(what))
  assert.equal(
    (await waybillHere(['uninstall', '--kubeconfig', world.plane.kubeconfig], { ask: async () => false })).status,
    3,
  )
  assert.deepEqual(await ofWaybill(), before)
})

test('who may not is told every right that is missing, and nothing is removed', async () => {
  const before = await ofWaybill()
  const ran = await uninstall(['--yes', '--forget-records'], world.plane.userKubeconfig('alice'))
  assertFails(ran, 1, 'CLUSTER_FORBIDDEN')
  for (const right of ['list clusterroles.rbac.authorization.k8s.io', 'list deployments.apps in waybill-system'])
    assert.match(ran.stderr, new RegExp(right))
  assert.deepEqual(await ofWaybill(), before)
})

test('another namespace than the puller’s is refused: its Deployment would go on', async () => {
  const ran = await uninstall(['--yes', '--forget-records', '--puller-namespace', 'elsewhere'])
  assertFails(ran, 2, 'USAGE')
  assert.match(ran.stderr, /in namespace waybill-system, not in elsewhere/)
})

test('records are not thrown away unless that is said', async () => {
  const before = await ofWaybill()
  assertFails(await uninstall(['--yes']), 3, 'RECORDS_UNSAVED')
  assertFails(await uninstall(['--yes', '--records-to', 'a', '--forget-records']), 2, 'USAGE')
  assert.deepEqual(await ofWaybill(), before)
})

test('while a puller outside the cluster works it is refused, and says which', async () => {
  const before = await ofWaybill()
  const { end, over } = start(tenants, { guard: true, leaderElection: { host: 'laptop' }, onlyNamespaces: [] })
  const held = async () => {
    const leases = await world.plane.runKubectl(['get', 'lease', '-n', PULLER_NAMESPACE, '-o', 'json'])
    return leases.includes('laptop_')
  }
  await world.plane.eventually('a Lease', held)
  const ran = await uninstall(['--yes', '--forget-records'])
  end.abort()
  await over
  assertFails(ran, 3, 'PULLER_RUNNING')
  assert.match(ran.stderr, /laptop_/)
  assert.deepEqual(await ofWaybill(), before)
})

test('Waybill goes, with its records saved first; what it delivered stays byte for byte, that of `deletion: delete` too', async () => {
  const before = await delivered()
  const audited = await Promise.all(
    tenants.map(({ namespace }) => audit(['-n', namespace, '--kubeconfig', world.plane.kubeconfig])),
  )
  await world.plane.runKubectl(['create', 'configmap', 'mine', '-n', PULLER_NAMESPACE])
  // Holds no Lease, so that nobody knows of it.
  const { end, over } = start(tenants, { guard: true })
  const ran = await uninstall(['--yes', '--records-to', folder])
  end.abort()
  await over
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /waybill-system stays: it holds ConfigMap waybill-system\/mine\./)
  assert.deepEqual(await ofWaybill(), [`namespace/${PULLER_NAMESPACE}`])
  assert.deepEqual(await delivered(), before)
  const saved = join(folder, 'waybill-records.jsonl')
  writeFileSync(RECORDS, readFileSync(saved))
  for (const [i, { namespace }] of tenants.entries()) {
    const head = /head: .*/.exec(audited[i]?.stdout ?? '')?.[0]
    const offline = await audit(['-n', namespace, '--records', saved])
    assert.equal(offline.status, 0, offline.stdout)
    assert.ok(head !== undefined && offline.stdout.includes(head), offline.stdout)
  }
  const lines = readFileSync(saved, 'utf8').split('\n')
  const edited = lines.map((line) => (line.startsWith('{"record":') ? line.replace('Applied', 'Unchanged') : line))
  writeFileSync(join(folder, 'edited'), edited.join('\n'))
  assertFails(await audit(['-n', tenants[0].namespace, '--records', join(folder, 'edited')]), 3, 'RECORD_CHAIN_BROKEN')
  assert.equal(
    (await uninstall(['--yes'])).status,
    0,
    'there is nothing but the namespace with what somebody else has there',
  )
  await world.plane.runKubectl(['delete', 'configmap', 'mine', '-n', PULLER_NAMESPACE])
  assert.equal((await uninstall(['--yes'])).status, 0)
  assert.deepEqual(await ofWaybill(), [])
  const nothing = await uninstall()
  assert.equal(nothing.status, 0)
  assert.match(nothing.stdout, /Nothing of Waybill/)
})

test('what was delivered is adopted by another install, and nothing is made anew', async () => {
  const uids = (found: Map<string, string>) => [...found].map(([name, of]) => `${name} ${of.split(' ')[0]}`)
  const before = await delivered()
  await install()
  const kubeconfig = await world.plane.serviceAccountKubeconfig(PULLER_NAMESPACE, 'waybill-puller')
  for (const [i, tenant] of tenants.entries()) {
    await apply(tenantObjects({ name: tenant.namespace }))
    await tenant.setPolicy({})
    await tenant.deliver({ adopt: i === 0 ? 'if-unowned' : 'always' })
    const said = await tenant.run({ guard: true, kubeconfig })
    assert.equal(said.ready, true, said.message)
  }
  assert.deepEqual(uids(await delivered()), uids(before))
})

test('where Waybill delivers itself, under its own guard, it goes too', async () => {
  const mine = installObjects({ crdsOnly: false, image: IMAGE, guard: { groups: [] } }).filter(
    ({ kind }) => kind === 'Deployment' || kind === 'ClusterRole' || kind === 'ServiceAccount',
  )
  const labels = { 'applyset.kubernetes.io/part-of': 'applyset-x-v1' }
  const annotations = { 'waybill.dev/break-glass': 'to set this up' }
  const input = printYaml(mine.map((one) => ({ ...one, metadata: { ...one.metadata, labels, annotations } })))
  await world.plane.runKubectl(['apply', '--server-side', '--force-conflicts', '--field-manager=waybill', '-f', '-'], {
    input,
  })
  const closed = mine.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`)
  await world.plane.runKubectl(['annotate', '-n', PULLER_NAMESPACE, ...closed, 'waybill.dev/break-glass-'])
  const denied = world.plane.runKubectl(['delete', 'deployment', 'waybill-puller', '-n', PULLER_NAMESPACE])
  await assert.rejects(denied, /waybill-guard/)
  await world.plane.runKubectl(['scale', 'deployment', 'waybill-puller', '-n', PULLER_NAMESPACE, '--replicas=0'])
  const file = join(folder, 'itself.jsonl')
  const ran = await uninstall(['--yes', '--records-to', file])
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stderr, /^taking back[\s\S]*stopping/)
  assert.deepEqual(await ofWaybill(), [])
  await install()
  for (const tenant of tenants) {
    await apply(tenantObjects({ name: tenant.namespace }))
    await tenant.setPolicy({})
    await tenant.deliver({ adopt: 'if-unowned' })
    const kubeconfig = await world.plane.serviceAccountKubeconfig(PULLER_NAMESPACE, 'waybill-puller')
    assert.equal((await tenant.run({ guard: true, kubeconfig })).ready, true)
  }
})

test('what stopped halfway goes on in another run; records that were saved are not written over with fewer', async () => {
  await world.plane.runKubectl(['delete', 'deployment', 'waybill-puller', '-n', PULLER_NAMESPACE])
  await world.plane.runKubectl(['delete', 'clusterrolebinding', 'waybill-puller'])
  const before = readFileSync(RECORDS, 'utf8')
  const there = await ofWaybill()
  assertFails(await uninstall(['--yes', '--records-to', RECORDS]), 3, 'FILE_EXISTS')
  assert.equal(readFileSync(RECORDS, 'utf8'), before)
  assertFails(await uninstall(['--yes', '--records-to', join(folder, 'no', 'folder')]), 1, 'DISK_FAILED')
  assert.deepEqual(await ofWaybill(), there)
  const file = join(folder, 'second.jsonl')
  const ran = await uninstall(['--yes', '--records-to', file])
  assert.equal(ran.status, 0, ran.stderr)
  assert.deepEqual(await ofWaybill(), [])
})

function audit(args: readonly string[]): Promise<Ran> {
  return waybillHere(['audit', 'app', ...args])
}
