import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type RecordSpec, recordSpecSchema } from '../../puller/kinds.ts'
import { recordHash, recordName, signRecord } from '../../puller/records/chain.ts'
import { keysFrom, newPrivatePem, type PullerKeys } from '../../puller/records/keys.ts'
import { recordObject } from '../../puller/records/record.ts'
import { makeKey } from '../fakes/keys.ts'
import { type ControlPlane, field, startControlPlane } from '../real/control-plane.ts'
import { type Registry, startRegistry } from '../real/registry.ts'
import { useTools } from '../real/tools.ts'
import { assertFails, assertNoStack, jsonError, type Ran, waybill, waybillHere } from './command.ts'
import { makeRepository, type Repository, settings, shopFiles } from './repository.ts'

/** A commit's whole way, by the command line alone: a real registry, a real API server, the puller as its service account. */
const folder = mkdtempSync(join(tmpdir(), 'waybill-cli-real-'))
let plane: ControlPlane
let registry: Registry
let repository: Repository
let pullerConfig: string
const key = makeKey()
const keyFile = join(folder, 'release.pem')
const policyFile = join(folder, 'trust.yaml')
const env = () => ({ PATH: process.env.PATH ?? '' })
const reference = () => `${registry.host}/acme/shop`

before(async () => {
  await useTools('oras')
  registry = await startRegistry({ kind: 'distribution' })
  plane = await startControlPlane({ controllers: true, scheduler: false, kwok: false })
  writeFileSync(keyFile, key.pem)
  writeFileSync(policyFile, JSON.stringify(trustPolicy()))
  await apply((await done(['install', '--crds-only'])).stdout)
  await plane.runKubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all'])
  await apply((await done(['tenant', 'shop'])).stdout)
  await apply(JSON.stringify(trustPolicy()))
  pullerConfig = await plane.serviceAccountKubeconfig('waybill-system', 'waybill-puller')
  repository = makeRepository(join(folder, 'shop'))
  repository.commit(shopFiles(reference()))
})
after(async () => {
  await registry?.stop()
  await plane?.stop()
  rmSync(folder, { recursive: true })
})

function trustPolicy() {
  const by = ['ci']
  return {
    apiVersion: 'waybill.dev/v1alpha1',
    kind: 'TrustPolicy',
    metadata: { name: 'shop' },
    spec: {
      repositories: [`${registry.host}/acme/**`],
      authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
      require: { signature: { by }, provenance: { by }, release: { by }, promotion: { by } },
    },
  }
}

async function done(args: readonly string[]): Promise<Ran> {
  const ran = await waybill(args, { env: env() })
  assert.equal(ran.status, 0, `waybill ${args.join(' ')}\n${ran.stderr}${ran.stdout}`)
  return ran
}

async function document(args: readonly string[]) {
  return JSON.parse((await done([...args, '--output', 'json'])).stdout)
}

const apply = (input: string) => plane.runKubectl(['apply', '--server-side', '-f', '-'], { input })
const publish = (...args: readonly string[]) =>
  document(['publish', '--repo', repository.folder, '--key', keyFile, '--plain-http', ...args])
const pull = (cache = 'cache') =>
  waybill(
    [
      'puller',
      '--once',
      '--plain-http',
      '--kubeconfig',
      pullerConfig,
      '--cache-dir',
      join(folder, cache),
      '--output',
      'json',
    ],
    {
      env: env(),
    },
  )
const inCluster = (verb: string, ...args: readonly string[]) => [
  verb,
  ...args,
  '-n',
  'shop',
  '--kubeconfig',
  plane.kubeconfig,
]
const greeting = () =>
  plane.runKubectl(['get', 'configmap', 'settings', '-n', 'shop', '-o', 'jsonpath={.data.greeting}'])

let first: string
let second: string

test('a commit is published under a version, and published again changes nothing', async () => {
  const published = await publish('--version', '1.0.0')
  first = published.digest
  assert.deepEqual([published.changed, published.version], [true, '1.0.0'])
  assert.equal(published.reference, `${reference()}@${first}`)
  assert.equal((await publish('--version', '1.0.0')).changed, false)
})

test('it is promoted, verified as the puller does, and shown', async () => {
  const promoted = await document([
    'promote',
    `${reference()}:1.0.0`,
    '--to',
    'production',
    '--key',
    keyFile,
    '--plain-http',
  ])
  assert.deepEqual([promoted.channel, promoted.digest, promoted.changed], ['production', first, true])
  const args = ['--policy', policyFile, '--plain-http', '--rebuild', '--repo', repository.folder]
  const verified = await document(['verify', `${reference()}:production`, ...args])
  assert.equal(verified.ok, true)
  assert.deepEqual([...new Set(verified.checks.map(({ check }: { check: string }) => check))].sort(), [
    'content',
    'promotion',
    'provenance',
    'rebuild',
    'signature',
  ])
  const shown = await done(['show', `${reference()}:1.0.0`, '--plain-http'])
  assert.match(shown.stdout, /promotion: channel production/)
  assert.match(shown.stdout, /release: version 1\.0\.0/)
})

test('an artifact of another key is refused by verify, which says what was checked and exits 3', async () => {
  const other = makeRepository(join(folder, 'other'))
  other.commit(shopFiles(`${registry.host}/acme/other`))
  const otherKey = join(folder, 'other.pem')
  writeFileSync(otherKey, makeKey().pem)
  const args = ['publish', '--repo', other.folder, '--key', otherKey, '--plain-http']
  const { reference: published } = await document(args)
  const ran = await waybill(['verify', published, '--policy', policyFile, '--plain-http'], { env: env() })
  assertFails(ran, 3, 'SIGNER_UNTRUSTED')
  assert.match(ran.stdout, /^refused signature/m)
  const json = await waybill(['verify', published, '--policy', policyFile, '--plain-http', '--output', 'json'])
  assert.equal(jsonError(json).code, 'SIGNER_UNTRUSTED')
  assert.equal(JSON.parse(json.stdout).ok, false)
})

test('the puller applies what the channel names, and get says what runs here', async () => {
  const source = { repository: reference(), channel: 'production' }
  await apply(
    JSON.stringify({
      apiVersion: 'waybill.dev/v1alpha1',
      kind: 'Delivery',
      metadata: { name: 'shop', namespace: 'shop' },
      spec: { source, interval: '1s' },
    }),
  )
  const pulled = await pull()
  assert.equal(pulled.status, 0, pulled.stderr + pulled.stdout)
  assert.equal(JSON.parse(pulled.stdout).deliveries[0].ready, true)
  assert.equal(await greeting(), 'Hello')
  const { deliveries } = await document(inCluster('get'))
  assert.deepEqual([deliveries[0].name, deliveries[0].ready, deliveries[0].applied], ['shop', 'True', first])
  assert.match((await done(inCluster('get', 'shop'))).stdout, new RegExp(`Runs: +${first}`))
})

test('a second release arrives, and the history has both', async () => {
  repository.commit({ 'deploy/settings.yaml': settings('Bonjour') })
  second = (await publish('--version', '1.1.0', '--channel', 'production')).digest
  assert.equal((await pull()).status, 0)
  assert.equal(await greeting(), 'Bonjour')
  const { records } = await document(inCluster('history', 'shop'))
  const applied = records.filter(({ kind }: { kind: string }) => kind === 'Applied')
  assert.deepEqual(
    applied.map(({ digest }: { digest: string }) => digest),
    [second, first],
  )
  const text = (await done(inCluster('history', 'shop', '--limit', '1'))).stdout
  assert.match(text, /^# +WHEN .*\n\d+ .*Applied/)
})

test('a rollback with the registry stopped holds the first release until it is lifted', async () => {
  await registry.stop()
  const rolled = await document(inCluster('rollback', 'shop', '--steps', '1', '--reason', 'checkout fails'))
  assert.equal(rolled.held.digest, first)
  const pulled = await pull()
  assert.equal(pulled.status, 0, pulled.stderr + pulled.stdout)
  assert.equal(await greeting(), 'Hello')
  await registry.start()
  assert.equal((await document(inCluster('unhold', 'shop'))).lifted, first)
  assert.equal((await pull()).status, 0)
  assert.equal(await greeting(), 'Bonjour')
  assertFails(await waybill(inCluster('unhold', 'shop')), 2, 'HOLD_MISSING')
})

const records = '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveryrecords'
const heads = '/api/v1/namespaces/waybill-system/configmaps/waybill-records'
const mergePatch = (path: string, body: unknown) =>
  plane.api('PATCH', path, { body, contentType: 'application/merge-patch+json' })

async function readRecords(): Promise<RecordSpec[]> {
  const items = field((await plane.api('GET', records)).body, 'items')
  const specs = (Array.isArray(items) ? items : []).map((item) => recordSpecSchema.parse(field(item, 'spec')))
  return specs.sort((a, b) => a.sequence - b.sequence)
}

/** As somebody who took the guards away can: what stands under each record's name is now this. */
async function forge(specs: readonly (readonly [number, RecordSpec])[]): Promise<void> {
  await plane.eventually('the records are gone', async () => {
    await plane.api('DELETE', records)
    return (await readRecords()).length === 0
  })
  for (const [sequence, spec] of specs) {
    const { metadata, ...object } = recordObject(spec)
    const body = { ...object, metadata: { ...Object(metadata), name: recordName(spec.delivery, sequence) } }
    assert.equal((await plane.api('POST', records, { body })).status, 201)
  }
}

async function setHeads(spec: RecordSpec): Promise<void> {
  const { delivery, sequence } = spec
  const head = { name: recordName(delivery, sequence), sequence, hash: recordHash(spec) }
  const entry = JSON.stringify({ namespace: delivery.namespace, ...head })
  await mergePatch(heads, { data: { [delivery.uid]: entry } })
  const deliveries = '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/shop/status'
  assert.equal((await mergePatch(deliveries, { status: { lastRecord: head } })).status, 200)
}

const inOrder = (specs: readonly RecordSpec[]) => specs.map((spec): [number, RecordSpec] => [spec.sequence, spec])

function signedBy(keys: PullerKeys, honest: readonly RecordSpec[]): RecordSpec[] {
  const chain: RecordSpec[] = []
  for (const { delivery, sequence, previous: _p, key: _k, signature: _s, ...facts } of honest) {
    const before = chain.at(-1)
    const previous = before === undefined ? undefined : recordHash(before)
    chain.push(signRecord(keys, facts, { delivery, sequence, previous }))
  }
  return chain
}

const audit = (...args: readonly string[]) => waybillHere(inCluster('audit', 'shop', ...args))

test('audit finds the records whole, and names each thing that was done to them, with exit status 3', async () => {
  const report = await document(inCluster('audit', 'shop'))
  assert.deepEqual([report.ok, report.faults, report.keyFromCluster], [true, [], true])
  const ownPem = field((await plane.api('GET', heads)).body, 'data', 'puller.pub')
  const pem = join(folder, 'puller.pub')
  writeFileSync(pem, String(ownPem))
  const head = `${report.head.sequence}:${report.head.hash}`
  assert.equal((await document(inCluster('audit', 'shop', '--key', pem, '--head', head))).keyFromCluster, false)
  const wrong = join(folder, 'wrong.pub')
  writeFileSync(wrong, makeKey().publicKeyPem)
  assertFails(await audit('--key', wrong), 3, 'RECORD_CHAIN_BROKEN')

  await plane.runKubectl(['delete', 'validatingadmissionpolicybinding', '--all'])
  const honest = await readRecords()
  const [first, second, third] = honest
  const [older, newest] = honest.slice(-2)
  assert.ok(first && second && third && older && newest)
  const stranger = keysFrom(newPrivatePem(), new Uint8Array(32))
  const rows: readonly (readonly [string, readonly (readonly [number, RecordSpec])[]])[] = [
    ['edited #2', inOrder(honest.with(1, { ...second, startedAt: '2020-01-01T00:00:00Z' }))],
    ['removed #2', inOrder(honest.toSpliced(1, 1))],
    ['reordered #2', [[1, first], [2, third], [3, second], ...inOrder(honest.slice(3))]],
    ['recomputed #2', inOrder(honest.with(1, signedBy(stranger, [second])[0] ?? second))],
    [`truncated #${newest.sequence}`, inOrder(honest.slice(0, -1))],
  ]
  for (const [fault, forged] of rows) {
    await forge(forged)
    const ran = await audit()
    assertFails(ran, 3, 'RECORD_CHAIN_BROKEN')
    assert.match(ran.stdout, new RegExp(`^${fault}: `, 'm'))
  }

  await setHeads(older)
  assert.equal((await audit()).status, 0, 'whoever can set every head back in the cluster')
  const short = await audit('--head', head)
  assertFails(short, 3, 'RECORD_CHAIN_BROKEN')
  assert.match(short.stdout, /^truncated #.*the auditor’s hand/m)

  const forged = signedBy(stranger, honest)
  await forge(inOrder(forged))
  await setHeads(forged.at(-1) ?? newest)
  await mergePatch(heads, { data: { 'puller.pub': stranger.publicPem } })
  assert.equal((await audit()).status, 0, 'and whoever can put another key there')
  const foreign = await audit('--key', pem)
  assertFails(foreign, 3, 'RECORD_CHAIN_BROKEN')
  assert.match(foreign.stdout, /^recomputed #1: /m)

  await forge(inOrder(honest))
  await setHeads(newest)
  await mergePatch(heads, { data: { 'puller.pub': ownPem } })
  assert.equal((await audit('--key', pem, '--head', head)).status, 0)
})

test('a rollback to what never ran here, a Delivery that is not there, and a person without rights are told apart', async () => {
  const never = `sha256:${'0'.repeat(64)}`
  assertFails(await waybill(inCluster('rollback', 'shop', '--to', never)), 2, 'ROLLBACK_TARGET')
  assertFails(await waybill(inCluster('history', 'nothing')), 1, 'CLUSTER_NOT_FOUND')
  const mallory = plane.userKubeconfig('mallory')
  for (const verb of ['get', 'history', 'audit', 'unhold']) {
    const ran = await waybill([verb, 'shop', '-n', 'shop', '--kubeconfig', mallory])
    assertFails(ran, 1, 'CLUSTER_FORBIDDEN')
    assertNoStack(ran)
  }
})

test('an auditor takes the records of all Deliveries along, and reads them without the cluster', async () => {
  const file = join(folder, 'records.jsonl')
  const saved = await done(['audit', '--save', file, '--kubeconfig', plane.kubeconfig])
  const { records } = await document(inCluster('history', 'shop'))
  assert.ok(Array.isArray(records))
  assert.match(saved.stdout, new RegExp(`records\\.jsonl: ${records.length} records`))
  const offline = await done(['audit', 'shop', '--records', file])
  assert.match(offline.stdout, /whole and in order/)
  assertFails(await waybill(['audit', '--save', file, '--kubeconfig', plane.kubeconfig]), 3, 'FILE_EXISTS')
  assertFails(await waybill(inCluster('audit', 'shop', '--save', file)), 2, 'USAGE')
  assertFails(await waybill(inCluster('audit')), 2, 'USAGE')
})

test('get warns where the Lease of the pullers has not been renewed for long', async () => {
  assert.doesNotMatch((await done(inCluster('get'))).stderr, /no puller/)
  const spec = { holderIdentity: 'pod-a', leaseDurationSeconds: 15, renewTime: '2020-01-01T00:00:00.000000Z' }
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'waybill-puller' }, spec }
  const leases = '/apis/coordination.k8s.io/v1/namespaces/waybill-system/leases'
  assert.equal((await plane.api('POST', leases, { body: lease })).status, 201)
  for (const args of [[], ['shop']])
    assert.match((await done(inCluster('get', ...args))).stderr, /^warning: no puller is at work: its Lease/m)
})

test('what a Delivery that is gone did can still be read and audited, by its name or its uid', async () => {
  const path = '/apis/waybill.dev/v1alpha1/namespaces/shop/deliveries/shop'
  const uid = String(field((await plane.api('GET', path)).body, 'metadata', 'uid'))
  const before = (await document(inCluster('history', 'shop'))).records
  await plane.api('DELETE', path)
  assert.deepEqual((await document(inCluster('history', 'shop'))).records, before)
  assert.deepEqual((await document(inCluster('history', 'shop', '--uid', uid))).records, before)
  const ran = await audit()
  assert.equal(ran.status, 0, ran.stdout)
  assert.match(ran.stdout, new RegExp(`which is gone \\(uid ${uid}\\): `))
  assertFails(await audit('--uid', 'another'), 1, 'CLUSTER_NOT_FOUND')
})

test('a cluster without Waybill’s kinds says how to install them', async () => {
  const bare = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
  try {
    assertFails(await waybill(['get', '--kubeconfig', bare.kubeconfig]), 1, 'CLUSTER_NOT_INSTALLED')
  } finally {
    await bare.stop()
  }
})
