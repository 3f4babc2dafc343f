import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pino } from 'pino'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { Packed } from '../../packager/pack.ts'
import { printYaml } from '../../puller/install/print.ts'
import { tenantObjects } from '../../puller/install/tenant.ts'
import { inventorySpecSchema, type RecordSpec, recordSpecSchema } from '../../puller/kinds.ts'
import { runPuller } from '../../puller/puller.ts'
import { auditChain } from '../../puller/records/audit.ts'
import { readHead } from '../../puller/records/heads.ts'
import { readPublicPem } from '../../puller/records/keys.ts'
import { listRecords } from '../../puller/records/record.ts'
import { field } from '../real/control-plane.ts'
import { asPuller, PULLER_NAMESPACE } from './installed.ts'
import { type KillAt, startKillProxy } from './kill-proxy.ts'
import { bundlesFor, configMap, policySpec, promotionBundle, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/**
 * Kills the puller, a process of its own, before or after each of its writes in turn, starts it again, and compares with
 * a run that nobody killed: the same objects, the same records, nothing lost, nothing foreign touched.
 */

type By = 'channel' | 'version' | 'digest'

/** What one Delivery goes through: what was there before, and what the killed puller is to do. */
type Scenario = {
  readonly name: string
  /** Applied before, without a kill. */
  readonly before: readonly Packed[]
  /** The killed puller's: a new release, in a channel, by its version or by its digest; a hold; or drift that it finds. */
  readonly wish: { readonly release: Packed; readonly by: By } | { readonly hold: Packed } | 'drift'
}

const service = (name: string, port: number): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port }] },
})

let world: World
let cacheDir: string
let repository: string
let scenarios: readonly Scenario[]
const PARALLEL = 3

before(async () => {
  world = await startWorld()
  cacheDir = mkdtempSync(join(tmpdir(), 'waybill-kill-'))
  repository = `${world.registry.host}/kill/shop`
  const first = release(repository, '1', [configMap('settings', { a: '1' }), configMap('old', {}), service('web', 80)])
  const second = release(repository, '2', [configMap('settings', { a: '2' }), configMap('new', {}), service('web', 81)])
  for (const one of [first, second]) store(one)
  scenarios = [
    { name: 'a first apply', before: [], wish: { release: first, by: 'digest' } },
    { name: 'an update with prune', before: [first], wish: { release: second, by: 'channel' } },
    { name: 'an update to a higher version', before: [first], wish: { release: second, by: 'version' } },
    { name: 'a rollback', before: [first, second], wish: { hold: first } },
    { name: 'a repair of drift', before: [first], wish: 'drift' },
  ]
  const spec = policySpec(world.registry.host, world.key, { repositories: [repository] })
  const body = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'kill' }, spec }
  assert.equal((await world.plane.api('POST', '/apis/waybill.dev/v1alpha1/trustpolicies', { body })).status, 201)
})
after(async () => {
  await world?.stop()
  if (cacheDir !== undefined) rmSync(cacheDir, { recursive: true, force: true })
})

function store(packed: Packed): void {
  world.registry.putBlob('kill/shop', packed.config)
  world.registry.putBlob('kill/shop', packed.layer)
  world.registry.putManifest('kill/shop', packed.manifest)
  // Every release is promoted into every step of every scenario's channel; the tag says which one is meant.
  for (const bundle of bundlesFor(packed, world.key)) world.registry.attachBundle('kill/shop', packed.digest, bundle)
}

/** One Delivery in a namespace of its own, named after the scenario and where it is killed; without `at`: not at all. */
type Subject = { readonly namespace: string; readonly at: KillAt | undefined }

const deliveryOf = (namespace: string) => `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/app`

async function deliver(subjects: readonly Subject[], spec: Record<string, unknown>): Promise<void> {
  for (const { namespace } of subjects) {
    const body = {
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'Delivery',
      metadata: { name: 'app' },
      spec: {
        environment: 'production',
        interval: '1h',
        prune: { enabled: true, maxPercent: 100 },
        ...spec,
      },
    }
    const { status } = await world.plane.api('PATCH', `${deliveryOf(namespace)}?fieldManager=person`, {
      body,
      contentType: 'application/apply-patch+yaml',
    })
    assert.ok(status < 300)
  }
}

async function runAll(subjects: readonly Subject[]): Promise<void> {
  const { deliveries } = await runPuller({
    kubeconfig: world.kubeconfig,
    cacheDir,
    plainHttp: true,
    once: true,
    onlyNamespaces: subjects.map(({ namespace }) => namespace),
    log: pino({ level: 'silent' }),
  })
  for (const { namespace, ready, message } of deliveries) assert.equal(ready, true, `${namespace}: ${message}`)
  assert.equal(deliveries.length, subjects.length)
}

type Run = { readonly writes: readonly string[]; readonly killed: boolean; readonly said: string }

/** Runs a puller that is killed where the subject says, if it comes that far. */
async function runChild({ namespace, at }: Subject): Promise<Run> {
  const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
  let kill = () => {}
  const proxy = await startKillProxy(world.plane, { token, at, kill: () => kill() })
  try {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'puller-child.ts'), proxy.kubeconfig, cacheDir, namespace],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    kill = () => void child.kill('SIGKILL')
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    await new Promise<void>((resolve) => child.once('close', () => resolve()))
    const killed = proxy.killed()
    if (!killed) assert.equal(field(JSON.parse(said), 0, 'ready'), true, said)
    return { writes: [...proxy.writes], killed, said }
  } finally {
    await proxy.close()
  }
}

async function runKilled(subject: Subject): Promise<readonly string[]> {
  const { writes, killed } = await runChild(subject)
  const { namespace, at } = subject
  assert.equal(killed, at !== undefined, `write ${at?.write} of ${namespace} never came: ${writes.length}`)
  return writes
}

async function inParallel<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  const left = [...all]
  const worker = async () => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}

/** Brings subjects to where the scenario begins. */
async function prepare(scenario: Scenario, subjects: readonly Subject[]): Promise<void> {
  const input = printYaml(subjects.flatMap(({ namespace }) => tenantObjects({ name: namespace })))
  await world.plane.runKubectl(['apply', '--server-side', '-f', '-'], { input })
  for (const { namespace } of subjects) {
    const body = { metadata: { name: 'foreign' }, data: { of: 'somebody' } }
    await world.plane.api('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body })
  }
  const { wish } = scenario
  const by: By = wish !== 'drift' && 'by' in wish ? wish.by : 'digest'
  const channel = `of-${subjects[0]?.namespace}`
  const sourceOf = ({ digest }: Packed) => ({
    source: { repository, ...{ channel: { channel }, version: { version: '>=1' }, digest: { digest } }[by] },
  })
  for (const version of ['1.0.0', '2.0.0']) world.registry.untag('kill/shop', version)
  const publish = (packed: Packed, sequence: number) => {
    if (by === 'digest') return
    const version = `${sequence}.0.0`
    const bundles =
      by === 'channel'
        ? [promotionBundle(packed, world.key, { channel, sequence })]
        : bundlesFor(packed, world.key, { version })
    for (const bundle of bundles) world.registry.attachBundle('kill/shop', packed.digest, bundle)
    world.registry.tag('kill/shop', packed.digest, by === 'channel' ? channel : version)
  }
  for (const [i, packed] of scenario.before.entries()) {
    publish(packed, i + 1)
    await deliver(subjects, sourceOf(packed))
    await runAll(subjects)
  }
  const last = scenario.before.at(-1)
  if (wish === 'drift') for (const { namespace } of subjects) await drift(namespace)
  else if ('release' in wish) {
    publish(wish.release, scenario.before.length + 1)
    await deliver(subjects, sourceOf(wish.release))
  } else if (last !== undefined) await deliver(subjects, { ...sourceOf(last), hold: { digest: wish.hold.digest } })
}

/** What a hand does: one object changed, one deleted. */
async function drift(namespace: string): Promise<void> {
  const configMaps = `/api/v1/namespaces/${namespace}/configmaps`
  const contentType = 'application/merge-patch+json'
  const body = { data: { a: 'changed', b: 'added' } }
  await world.plane.api('PATCH', `${configMaps}/settings?fieldManager=hand`, { body, contentType })
  await world.plane.api('DELETE', `${configMaps}/old`)
}

/** What is left in the end, without what is different each time. */
async function stateOf(namespace: string) {
  const { plane } = world
  const list = async (path: string) => {
    const items = field((await plane.api('GET', path)).body, 'items')
    return Array.isArray(items) ? items : []
  }
  const objects = [
    ...(await list(`/api/v1/namespaces/${namespace}/configmaps`)),
    ...(await list(`/api/v1/namespaces/${namespace}/services`)),
  ]
    .filter((object) => field(object, 'metadata', 'name') !== 'kube-root-ca.crt')
    .map((object) => ({
      name: field(object, 'metadata', 'name'),
      data: field(object, 'data'),
      ports: field(object, 'spec', 'ports', 0, 'port'),
    }))
  const shards = await list(`/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveryinventories`)
  const inventory = shards
    .flatMap((shard) => inventorySpecSchema.parse(field(shard, 'spec')).entries)
    .map(({ kind, name, state, uid }) => `${kind} ${name} ${state} ${uid === undefined ? 'no uid' : 'uid'}`)
    .sort()
  const records = (await list(`/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveryrecords`))
    .map((record) => recordSpecSchema.parse(field(record, 'spec')))
    .sort((a, b) => a.sequence - b.sequence)
  return { objects, inventory, records: records.map((record) => said(record, namespace)) }
}

function said(record: RecordSpec, namespace: string) {
  const { kind, digest, sequence, trigger, intent, changes, error, release } = record
  const listed = changes?.listed.map((change) => `${change.action} ${change.object.replace(namespace, '')}`)
  return { kind, digest, sequence, trigger, intent, total: changes?.total, listed, error, release }
}

async function assertClean(namespace: string): Promise<void> {
  const cluster = await asPuller(world.plane)
  try {
    const uid = String(field((await world.plane.api('GET', deliveryOf(namespace))).body, 'metadata', 'uid'))
    const delivery = { namespace, name: 'app', uid }
    const publicPem = (await readPublicPem(cluster, PULLER_NAMESPACE)) ?? ''
    const { head } = await readHead(cluster, PULLER_NAMESPACE, uid)
    const named = await listRecords(cluster, delivery)
    assert.deepEqual(auditChain(named, { configMap: head }, publicPem, delivery).faults, [])
  } finally {
    await cluster.close()
  }
}

describe('a puller that is killed at any of its writes and started again', () => {
  test('gets there from its very first start, though it dies after each single write, and keeps one key', async () => {
    const [scenario] = scenarios
    assert.ok(scenario)
    const subject: Subject = { namespace: 'kill-first-start', at: { write: 1, when: 'after' } }
    await prepare(scenario, [subject])
    assert.equal((await runChild({ ...subject, at: { write: 1, when: 'before' } })).killed, true)
    const writes: string[] = []
    for (let run = await runChild(subject); run.killed; run = await runChild(subject)) {
      writes.push(...run.writes)
      assert.ok(writes.length < 40, writes.join('\n'))
    }
    const keys = `POST /api/v1/namespaces/${PULLER_NAMESPACE}`
    assert.deepEqual(new Set(writes.slice(0, 2)), new Set([`${keys}/secrets`, `${keys}/configmaps`]))
    const reference: Subject = { namespace: 'kill-first-reference', at: undefined }
    await prepare(scenario, [reference])
    await runKilled(reference)
    assert.deepEqual(await stateOf(subject.namespace), await stateOf(reference.namespace))
    await assertClean(subject.namespace)
  })

  for (const [index, name] of [
    'a first apply',
    'an update with prune',
    'an update to a higher version',
    'a rollback',
    'a repair of drift',
  ].entries())
    test(`converges during ${name}, loses nothing, and says nothing twice`, { timeout: 400_000 }, async (t) => {
      const scenario = scenarios[index]
      assert.equal(scenario?.name, name)
      if (scenario === undefined) return
      const reference: Subject = { namespace: `kill-${index}-reference`, at: undefined }
      await prepare(scenario, [reference])
      const writes = await runKilled(reference)
      const expected = await stateOf(reference.namespace)
      assert.ok(writes.length >= 6, writes.join('\n'))
      const subjects = writes.flatMap((_, i) =>
        (['before', 'after'] as const).map(
          (when): Subject => ({ namespace: `kill-${index}-${when}-${i + 1}`, at: { write: i + 1, when } }),
        ),
      )
      await prepare(scenario, subjects)
      await inParallel(subjects, runKilled)
      await runAll(subjects)
      for (const { namespace } of subjects) {
        await t.test(namespace, async () => {
          assert.deepEqual(await stateOf(namespace), expected)
          await assertClean(namespace)
        })
      }
      const mark = await world.plane.auditMark()
      await runAll(subjects.slice(-2))
      const later = (await world.plane.auditSince(mark)).filter(
        ({ verb, requestURI }) => /create|patch|update|delete/.test(verb) && !/dryRun=All|selfsubject/.test(requestURI),
      )
      assert.deepEqual(later, [], 'and then there is nothing left to do')
    })
})
