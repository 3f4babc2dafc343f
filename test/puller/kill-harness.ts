import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import type { Packed } from '../../packager/pack.ts'
import { systemClock } from '../../puller/clock.ts'
import { printYaml } from '../../puller/install/print.ts'
import { tenantObjects } from '../../puller/install/tenant.ts'
import { inventorySpecSchema, type RecordSpec, recordSpecSchema } from '../../puller/kinds.ts'
import { runPuller } from '../../puller/puller.ts'
import { auditChain } from '../../puller/records/audit.ts'
import { readHead } from '../../puller/records/heads.ts'
import { readPublicPem } from '../../puller/records/keys.ts'
import { listRecords } from '../../puller/records/record.ts'
import { field } from '../real/control-plane.ts'
import { keepFewRecords } from './few-records.ts'
import { asPuller, PULLER_NAMESPACE } from './installed.ts'
import { type KillAt, startKillProxy } from './kill-proxy.ts'
import { bundlesFor, policySpec, promotionBundle } from './release-fixture.ts'
import type { World } from './world.ts'

export type By = 'channel' | 'version' | 'digest'

/** What one Delivery goes through: what was there before, and what the killed puller is to do. */
export type Scenario = {
  readonly name: string
  /** Applied before, without a kill. */
  readonly before: readonly Packed[]
  /** The killed puller's: a new release, in a channel, by its version or by its digest; a hold; drift that it finds; or what a person did in these namespaces. */
  readonly wish:
    | { readonly release: Packed; readonly by: By }
    | { readonly hold: Packed }
    | 'drift'
    | { readonly act: (namespaces: readonly string[]) => Promise<void> }
  /** How each ends, where that is not with a release that is ready. */
  readonly ends?: 'gone' | 'waiting'
  /** More of the Delivery's spec. */
  readonly spec?: Record<string, unknown>
  /** Puts into the namespace what was there before any Delivery. */
  readonly arrange?: (namespace: string) => Promise<void>
  /** Records go after a few (few-records.ts). */
  readonly fewRecords?: true
  /** Applied afterwards, without a kill: what a killed puller left to be done with the next release; or done by a person, where what is recorded depends on the kill. */
  readonly after?: Packed | ((namespaces: readonly string[]) => Promise<void>)
}

/** One Delivery in a namespace of its own, named after the scenario and where it is killed; without `at`: not at all. */
export type Subject = { readonly namespace: string; readonly at: KillAt | undefined }

function said(record: RecordSpec, namespace: string) {
  const { kind, digest, sequence, trigger, intent, changes, error, release } = record
  const listed = changes?.listed.map((change) => `${change.action} ${change.object.replace(namespace, '')}`)
  // Plans and sets of objects name the namespace, or uids.
  const told = { ...trigger, reason: trigger.reason?.replaceAll(/sha256:\w+/g, 'sha256:…') }
  return { kind, digest, sequence, trigger: told, intent, total: changes?.total, listed, error, release }
}

/** Who holds fields of an object, its status aside. */
function managersOf(object: unknown): readonly string[] {
  const entries = field(object, 'metadata', 'managedFields')
  const own = (Array.isArray(entries) ? entries : []).filter((entry) => field(entry, 'subresource') === undefined)
  return [...new Set(own.map((entry) => String(field(entry, 'manager'))))].sort()
}

const PARALLEL = 3
/** Progress is said as it happens, so that a run may write its status once more or less often than another. */
const SPARED_MAX = 4

/** Releases live in `path` of the world's registry; one cache for all, which is removed in the end. */
export function killHarness(world: World, path: string) {
  const cacheDir = mkdtempSync(join(tmpdir(), 'waybill-kill-'))
  const repository = `${world.registry.host}/${path}`
  const deliveryOf = (namespace: string) => `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/app`

  async function deliver(
    scenario: Scenario,
    subjects: readonly Subject[],
    spec: Record<string, unknown>,
  ): Promise<void> {
    for (const { namespace } of subjects) {
      const body = {
        apiVersion: 'waybill.dev/v1alpha1',
        kind: 'Delivery',
        metadata: { name: 'app' },
        spec: {
          environment: 'production',
          interval: '1h',
          prune: { enabled: true, maxPercent: 100 },
          ...scenario.spec,
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

  /** Runs a puller that nobody kills, by the clock as it was so long ago. */
  async function look(namespaces: readonly string[], { agoMs = 0 }: { readonly agoMs?: number } = {}) {
    const { deliveries } = await runPuller({
      kubeconfig: world.kubeconfig,
      cacheDir,
      plainHttp: true,
      once: true,
      onlyNamespaces: namespaces,
      log: pino({ level: 'silent' }),
      clock: { ...systemClock, nowMs: () => Date.now() - agoMs },
    })
    return deliveries
  }

  async function runAll(subjects: readonly Subject[], ends?: Scenario['ends']): Promise<void> {
    const deliveries = await look(subjects.map(({ namespace }) => namespace))
    if (ends === 'gone') return
    for (const { namespace, ready, message } of deliveries)
      assert.equal(ready, ends === undefined, `${namespace}: ${message}`)
    assert.equal(deliveries.length, subjects.length)
  }

  type Run = { readonly writes: readonly string[]; readonly killed: boolean; readonly said: string }

  /** Runs a puller that is killed where the subject says, if it comes that far. */
  async function runChild({ namespace, at }: Subject, scenario?: Scenario): Promise<Run> {
    const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
    let kill = () => {}
    const proxy = await startKillProxy(world.plane, { token, at, kill: () => kill() })
    try {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'puller-child.ts'), proxy.kubeconfig, cacheDir, namespace],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { ...process.env, WAYBILL_TEST_FEW_RECORDS: scenario?.fewRecords === true ? '1' : '' },
        },
      )
      kill = () => void child.kill('SIGKILL')
      let said = ''
      child.stdout.on('data', (chunk) => {
        said += chunk
      })
      await new Promise<void>((resolve) => child.once('close', () => resolve()))
      const killed = proxy.killed()
      if (!killed && scenario?.ends !== 'gone')
        assert.equal(field(JSON.parse(said), 0, 'ready'), scenario?.ends === undefined, said)
      return { writes: [...proxy.writes], killed, said }
    } finally {
      await proxy.close()
    }
  }

  const spared: string[] = []

  async function runKilled(subject: Subject, scenario?: Scenario): Promise<readonly string[]> {
    const { writes, killed } = await runChild(subject, scenario)
    if (!killed && subject.at !== undefined) spared.push(`${subject.namespace}: ${writes.length} writes`)
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
      await scenario.arrange?.(namespace)
    }
    const { wish } = scenario
    const by: By = wish !== 'drift' && 'by' in wish ? wish.by : 'digest'
    const channel = `of-${subjects[0]?.namespace}`
    const sourceOf = ({ digest }: Packed) => ({
      source: { repository, ...{ channel: { channel }, version: { version: '>=1' }, digest: { digest } }[by] },
    })
    for (const version of ['1.0.0', '2.0.0', '3.0.0']) world.registry.untag(path, version)
    const publish = (packed: Packed, sequence: number) => {
      if (by === 'digest') return
      const version = `${sequence}.0.0`
      const bundles =
        by === 'channel'
          ? [promotionBundle(packed, world.key, { channel, sequence })]
          : bundlesFor(packed, world.key, { version })
      for (const bundle of bundles) world.registry.attachBundle(path, packed.digest, bundle)
      world.registry.tag(path, packed.digest, by === 'channel' ? channel : version)
    }
    for (const [i, packed] of scenario.before.entries()) {
      publish(packed, i + 1)
      await deliver(scenario, subjects, sourceOf(packed))
      await runAll(subjects)
    }
    const last = scenario.before.at(-1)
    if (wish === 'drift') for (const { namespace } of subjects) await drift(namespace)
    else if ('act' in wish) await wish.act(subjects.map(({ namespace }) => namespace))
    else if ('release' in wish) {
      publish(wish.release, scenario.before.length + 1)
      await deliver(scenario, subjects, sourceOf(wish.release))
    } else if (last !== undefined)
      await deliver(scenario, subjects, { ...sourceOf(last), hold: { digest: wish.hold.digest } })
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
      ...(await list(`/apis/apps/v1/namespaces/${namespace}/deployments`)),
      ...(await list(`/apis/batch/v1/namespaces/${namespace}/jobs`)),
    ]
      .filter((object) => field(object, 'metadata', 'name') !== 'kube-root-ca.crt')
      .map((object) => ({
        name: field(object, 'metadata', 'name'),
        data: field(object, 'data'),
        ports: field(object, 'spec', 'ports', 0, 'port'),
        image: field(object, 'spec', 'template', 'spec', 'containers', 0, 'image'),
        managers: managersOf(object),
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

  async function assertClean(namespace: string): Promise<void> {
    const cluster = await asPuller(world.plane)
    try {
      const records = await world.plane.api('GET', `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveryrecords`)
      const uid = String(field(records.body, 'items', 0, 'spec', 'delivery', 'uid'))
      const delivery = { namespace, name: 'app', uid }
      const publicPem = (await readPublicPem(cluster, PULLER_NAMESPACE)) ?? ''
      const { head } = await readHead(cluster, PULLER_NAMESPACE, uid)
      const named = await listRecords(cluster, delivery)
      assert.deepEqual(auditChain(named, { configMap: head }, publicPem, delivery).faults, [])
    } finally {
      await cluster.close()
    }
  }

  /** The scenario once without a kill, then killed before and after each of its writes in turn: the same is left in the end. */
  async function killAtEachWrite(scenario: Scenario, prefix: string, t: TestContext): Promise<void> {
    if (scenario.fewRecords === true) t.after(keepFewRecords())
    const finish = async (subjects: readonly Subject[]) => {
      if (scenario.after === undefined) return
      if (typeof scenario.after === 'function') return scenario.after(subjects.map(({ namespace }) => namespace))
      await deliver(scenario, subjects, { source: { repository, digest: scenario.after.digest } })
      await runAll(subjects)
    }
    const reference: Subject = { namespace: `${prefix}-reference`, at: undefined }
    await prepare(scenario, [reference])
    const writes = await runKilled(reference, scenario)
    await finish([reference])
    const expected = await stateOf(reference.namespace)
    assert.ok(writes.length >= (scenario.ends === 'waiting' ? 3 : 6), writes.join('\n'))
    const subjects = writes.flatMap((_, i) =>
      (['before', 'after'] as const).map(
        (when): Subject => ({ namespace: `${prefix}-${when}-${i + 1}`, at: { write: i + 1, when } }),
      ),
    )
    await prepare(scenario, subjects)
    spared.length = 0
    await inParallel(subjects, (subject) => runKilled(subject, scenario))
    assert.ok(spared.length <= SPARED_MAX, `the write to be killed at never came: ${spared.join(', ')}`)
    await runAll(subjects, scenario.ends)
    await finish(subjects)
    for (const { namespace } of subjects) {
      await t.test(namespace, async () => {
        const state = await stateOf(namespace)
        if (scenario.fewRecords === true) {
          // When old records go depends on where it was killed; that they do, and what is left, does not.
          assert.deepEqual({ ...state, records: [] }, { ...expected, records: [] })
          assert.ok(
            (state.records[0]?.sequence ?? 0) > 1 && state.records.length <= 7,
            `${state.records.length} are left`,
          )
        } else if (typeof scenario.after === 'function')
          assert.deepEqual({ ...state, records: [] }, { ...expected, records: [] })
        else assert.deepEqual(state, expected)
        await assertClean(namespace)
      })
    }
    const mark = await world.plane.auditMark()
    await runAll(subjects.slice(-2), scenario.ends)
    const later = (await world.plane.auditSince(mark)).filter(
      ({ verb, requestURI, user, objectRef }) =>
        user.username.endsWith(':waybill-puller') &&
        /create|patch|update|delete/.test(verb) &&
        !/dryRun=All|selfsubject/.test(requestURI) &&
        objectRef?.resource !== 'events',
    )
    assert.deepEqual(later, [], 'and then there is nothing left to do')
  }

  /** Puts a release into the registry; every one is promoted into every step of every scenario's channel, and the tag says which is meant. */
  function store(packed: Packed): Packed {
    world.registry.putBlob(path, packed.config)
    world.registry.putBlob(path, packed.layer)
    world.registry.putManifest(path, packed.manifest)
    for (const bundle of bundlesFor(packed, world.key)) world.registry.attachBundle(path, packed.digest, bundle)
    return packed
  }

  /** Trusts the world's key for what is in `path`. */
  async function trust(): Promise<void> {
    const spec = policySpec(world.registry.host, world.key, { repositories: [repository] })
    const body = {
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'TrustPolicy',
      metadata: { name: path.replace('/', '-') },
      spec,
    }
    assert.equal((await world.plane.api('POST', '/apis/waybill.dev/v1alpha1/trustpolicies', { body })).status, 201)
  }

  return {
    repository,
    store,
    trust,
    look,
    prepare,
    runChild,
    runKilled,
    stateOf,
    assertClean,
    killAtEachWrite,
    close: () => rmSync(cacheDir, { recursive: true, force: true }),
  }
}
