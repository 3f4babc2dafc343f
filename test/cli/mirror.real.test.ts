import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeKey } from '../fakes/keys.ts'
import { type ControlPlane, field, startControlPlane } from '../real/control-plane.ts'
import { type Registry, startRegistry } from '../real/registry.ts'
import { useTools } from '../real/tools.ts'
import { waybill } from './command.ts'
import { makeRepository, type Repository, settings, shopFiles } from './repository.ts'

/** Production in a repository of its own, followed by versions; and a cluster that reaches it only through a mirror, by way of a layout. */
const folder = mkdtempSync(join(tmpdir(), 'waybill-mirror-'))
const key = makeKey()
const keyFile = join(folder, 'release.pem')
const carried = join(folder, 'carried')
let plane: ControlPlane
let home: Registry
let mirror: Registry
let git: Repository
let pullerConfig: string
const open = () => `${home.host}/acme/shop`
const closed = () => `${home.host}/acme/shop-production`
const copied = () => `${mirror.host}/far/shop`

before(async () => {
  await useTools('oras')
  writeFileSync(keyFile, key.pem)
  home = await startRegistry({ kind: 'distribution' })
  mirror = await startRegistry({ kind: 'referrers' })
  plane = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
  await apply((await done('install', '--crds-only')).stdout)
  await plane.runKubectl(['wait', '--for=condition=Established', '--timeout=30s', 'crd', '--all'])
  for (const tenant of ['near', 'far']) await apply((await done('tenant', tenant)).stdout)
  const by = ['ci']
  await make(
    'TrustPolicy',
    { name: 'shop' },
    {
      // The mirror is not named: what counts is where the package is at home.
      repositories: [closed()],
      authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
      require: { signature: { by }, provenance: { by }, release: { by } },
    },
  )
  pullerConfig = await plane.serviceAccountKubeconfig('waybill-system', 'waybill-puller')
  git = makeRepository(join(folder, 'shop'))
  const files = shopFiles(open())
  const environments = `    dev: { manifests: [deploy] }
    production: { manifests: [deploy], repository: ${closed()} }`
  const packageFile = files['waybill.yaml']?.replace(/ {4}production: .*/, environments) ?? ''
  git.commit({ ...files, 'waybill.yaml': packageFile })
})
after(async () => {
  await Promise.all([home, mirror, plane].map((server) => server?.stop()))
  rmSync(folder, { recursive: true })
})

async function done(...args: readonly string[]) {
  const ran = await waybill(args, { env: { PATH: process.env.PATH ?? '' } })
  assert.equal(ran.status, 0, `waybill ${args.join(' ')}\n${ran.stderr}${ran.stdout}`)
  return ran
}

const apply = (input: string) => plane.runKubectl(['apply', '--server-side', '-f', '-'], { input })
const make = (kind: string, metadata: object, spec: object) =>
  apply(JSON.stringify({ apiVersion: 'waybill.dev/v1alpha1', kind, metadata, spec }))

async function release(version: string) {
  const args = ['--repo', git.folder, '--key', keyFile, '--plain-http', '--version', version, '--output', 'json']
  const { artifacts } = JSON.parse((await done('publish', ...args)).stdout)
  return new Map<string, string>(
    artifacts.map((one: { reference: string; digest: string }) => [one.reference.split('@')[0], one.digest]),
  )
}

async function carry(version: string) {
  await done('copy', `${closed()}:${version}`, carried, '--plain-http')
  await done('copy', `${carried}:${version}`, copied(), '--plain-http')
}

/** What each tenant runs after the puller has looked once. */
async function pulled() {
  const options = ['--once', '--plain-http', '--kubeconfig', pullerConfig, '--cache-dir', join(folder, 'cache')]
  await done('puller', ...options)
  const runs = await Promise.all(
    ['near', 'far'].map(async (namespace) => {
      const path = `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/shop`
      const { body } = await plane.api('GET', path)
      const greeting = ['get', 'configmap', 'settings', '-n', namespace, '-o', 'jsonpath={.data.greeting}']
      return [
        field(body, 'status', 'applied', 'version'),
        field(body, 'status', 'applied', 'digest'),
        await plane.runKubectl(greeting),
      ]
    }),
  )
  return runs
}

test('an environment’s own repository is delivered by version, and through a mirror that carries it from a layout', async () => {
  const digests = await release('1.0.0')
  assert.deepEqual([...digests.keys()].sort(), [open(), closed()].sort())
  const first = digests.get(closed())
  assert.notEqual(first, digests.get(open()), 'another environment, another artifact')
  await carry('1.0.0')
  const rest = { environment: 'production', interval: '1h' }
  const version = '>=1 <2'
  await make('Delivery', { name: 'shop', namespace: 'near' }, { source: { repository: closed(), version }, ...rest })
  const mirrored = { repository: copied(), mirrorOf: closed(), version }
  await make('Delivery', { name: 'shop', namespace: 'far' }, { source: mirrored, ...rest })
  assert.deepEqual(await pulled(), [
    ['1.0.0', first, 'Hello'],
    ['1.0.0', first, 'Hello'],
  ])
})

test('the mirror’s cluster moves when the next release was carried there, and not before', async () => {
  git.commit({ 'deploy/settings.yaml': settings('Bonjour') })
  const first = (await pulled())[1]
  const next = ['1.1.0', (await release('1.1.0')).get(closed()), 'Bonjour']
  assert.deepEqual(await pulled(), [next, first])
  await carry('1.1.0')
  assert.deepEqual(await pulled(), [next, next])
})

test('a mirror of which the Delivery does not say whose it is, is refused', async () => {
  await make(
    'Delivery',
    { name: 'shop', namespace: 'far' },
    {
      source: { repository: copied(), version: '>=1 <2' },
      environment: 'production',
      interval: '1h',
    },
  )
  await waybill(
    ['puller', '--once', '--plain-http', '--kubeconfig', pullerConfig, '--cache-dir', join(folder, 'cache')],
    {
      env: { PATH: process.env.PATH ?? '' },
    },
  )
  const { stdout } = await done('get', 'shop', '-n', 'far', '--kubeconfig', plane.kubeconfig)
  assert.match(stdout, /POLICY_MISSING|no.*trust polic/i)
})

test('verify says before the cluster does that a mirror is not named by the policy', async () => {
  const policy = (mirrors?: readonly string[]) => {
    const by = ['ci']
    const spec = {
      repositories: [closed()],
      ...(mirrors === undefined ? {} : { mirrors }),
      authorities: [{ name: 'ci', key: { pem: key.publicKeyPem } }],
      require: { signature: { by }, release: { by } },
    }
    const file = join(folder, 'policy.json')
    const object = { apiVersion: 'waybill.dev/v1alpha1', kind: 'TrustPolicy', metadata: { name: 'shop' }, spec }
    writeFileSync(file, JSON.stringify(object))
    return ['--policy', file, '--mirror-of', closed(), '--plain-http']
  }
  await done('verify', `${copied()}:1.0.0`, ...policy())
  await done('verify', `${copied()}:1.0.0`, ...policy([`${mirror.host}/far/*`]))
  await done('verify', `${carried}:1.0.0`, ...policy([]))
  const refused = await waybill(['verify', `${copied()}:1.0.0`, ...policy([])], {
    env: { PATH: process.env.PATH ?? '' },
  })
  assert.equal(refused.status, 3)
  assert.match(refused.stdout, /^refused mirror: TrustPolicy shop does not name /m)
  assert.match(refused.stderr, /MIRROR_UNTRUSTED/)
})
