import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../../contract/canonical-json.ts'
import { installObjects } from '../../../puller/install/install.ts'
import { printYaml } from '../../../puller/install/print.ts'
import { type ControlPlane, field, startControlPlane } from '../../real/control-plane.ts'
import { PULLER_NAMESPACE } from '../installed.ts'
import { A } from '../records/records-fixture.ts'
import { configMap } from '../release-fixture.ts'
import { startWorld, type World } from '../world.ts'

/** What the version before printed: `install --crds-only` as of that commit. There was nothing else to print. */
const EARLIER = readFileSync(join(import.meta.dirname, 'earlier/579d2cc.yaml'), 'utf8')
const NOW = installObjects({ crdsOnly: false, image: `registry.example.com/waybill/puller@${A}` })
const YAML = printYaml(NOW)
const GROUP = '/apis/waybill.dev/v1alpha1'
const KINDS = ['deliveries', 'trustpolicies', 'deliveryinventories', 'deliveryrecords'] as const

/** Every field that a Delivery has; those of the other kinds are in what the puller writes. */
const EVERYTHING: JsonObject = {
  source: {
    repository: 'registry.example.com/acme/shop',
    version: '>=1.4 <2',
    mirrorOf: 'ghcr.io/acme/shop',
    pullSecret: { name: 'pull' },
    caSecret: { name: 'ca' },
  },
  environment: 'production',
  serviceAccountName: 'other',
  interval: '5m',
  schedule: '0 6 * * 1-5',
  timeZone: 'Europe/Berlin',
  sync: 'approve',
  windows: [{ kind: 'allow', start: '0 6 * * 1-5', duration: '10h', timeZone: 'Europe/Berlin' }],
  dependsOn: [{ name: 'base', namespace: 'platform', version: '>=1.2' }],
  timeout: '10m',
  onFailure: 'rollback',
  health: [{ kind: 'Certificate.cert-manager.io', current: 'status.ready', failed: 'status.failed' }],
  force: { kinds: ['Job.batch'] },
  drift: 'report',
  ignore: [{ kind: 'Deployment.apps', name: 'api*', fields: ['/spec/replicas'] }],
  compareInterval: '2h',
  prune: { enabled: true, maxPercent: 10, max: 5 },
  adopt: 'if-unowned',
  unmanaged: { namespaces: ['shop'], policy: 'report', ignore: [{ kind: 'Secret' }] },
  deletion: 'delete',
  hold: { digest: A, reason: 'it broke', until: '2027-01-01T00:00:00Z' },
  suspend: { reason: 'freeze', until: '2027-01-01T00:00:00+02:00' },
  notifications: [{ name: 'chat', type: 'slack', secret: { name: 'chat' } }],
}

describe('a cluster on which the version before delivers', () => {
  let world: World
  before(async () => {
    world = await startWorld({ install: EARLIER })
  })
  after(() => world?.stop())

  /** The server needs a moment with a kind whose definition has changed. */
  const list = (kind: string) =>
    world.plane.eventually(`${kind} are served`, async () => {
      const { status, body } = await world.plane.api('GET', `${GROUP}/${kind}`)
      return status === 200 && field(body, 'items')
    })
  const stored = async () => (await Promise.all(KINDS.map(list))).flat().filter(isJsonObject)
  const said = (all: readonly JsonObject[]) => all.map(({ kind, spec, status }) => ({ kind, spec, status }))

  test('keeps its Deliveries, records and inventories when this one is applied over it, and goes on from them', async () => {
    const { plane } = world
    const tenant = await world.tenant()
    const publish = (revision: string, version: string, sequence: number) =>
      tenant.publish(tenant.release(revision, [configMap('greeting', { hello: revision })]), {
        version,
        promotion: { channel: 'production', sequence },
      })
    publish('1', '1.0.0', 1)
    await tenant.deliver()
    assert.equal((await tenant.run()).ready, true)
    const other = await plane.freshNamespace()
    const all = { apiVersion: 'waybill.dev/v1alpha1', kind: 'Delivery', metadata: { name: 'all' }, spec: EVERYTHING }
    assert.equal((await plane.api('POST', `${GROUP}/namespaces/${other}/deliveries`, { body: all })).status, 201)
    const before = await stored()
    const kinds = new Set(before.map(({ kind }) => kind))
    assert.equal(kinds.size, KINDS.length, [...kinds].join())

    await plane.runKubectl(['apply', '-f', '-'], { input: YAML })

    const after = await stored()
    assert.deepEqual(said(after), said(before))
    for (const one of after) await couldBeMadeNow(one)
    publish('2', '2.0.0', 2)
    assert.equal((await tenant.run()).ready, true)
    assert.deepEqual(
      (await tenant.records()).map(({ sequence, kind }) => `${sequence} ${kind}`),
      ['1 Intent', '2 Applied', '3 Intent', '4 Applied'],
    )
  })

  /** A rule that only what is written anew has to keep is kept back from what is stored: so it is asked as if it were new. */
  async function couldBeMadeNow({ kind, metadata, spec, apiVersion }: JsonObject): Promise<void> {
    const namespace = field(metadata, 'namespace')
    const plural = KINDS[['Delivery', 'TrustPolicy', 'DeliveryInventory', 'DeliveryRecord'].indexOf(String(kind))]
    const path = `${GROUP}${namespace === undefined ? '' : `/namespaces/${String(namespace)}`}/${plural}`
    const token = await world.plane.serviceAccountToken(PULLER_NAMESPACE, 'waybill-puller')
    const { status, body } = await world.plane.api('POST', `${path}?dryRun=All&fieldValidation=Strict`, {
      body: { apiVersion, kind, metadata: { name: 'copy' }, spec },
      ...(/^Delivery./.test(String(kind)) ? { token } : {}),
    })
    assert.equal(status, 201, `${String(kind)}: ${JSON.stringify(field(body, 'message'))}`)
    assert.deepEqual(field(body, 'spec'), spec)
  }
})

describe('what the version before printed, and what this one prints over it', () => {
  let plane: ControlPlane
  before(async () => {
    plane = await startControlPlane({ controllers: false, scheduler: false, kwok: false })
  })
  after(() => plane?.stop())

  const CLIENT = ['apply', '-f', '-']
  const SERVER = ['apply', '--server-side', '-f', '-']

  async function contents(): Promise<unknown> {
    const text = await plane.runKubectl(['get', '-f', '-', '-o', 'json'], { input: YAML })
    const { items }: { items: readonly KubeObject[] } = JSON.parse(
      text,
      // Given out by the server, each time another one.
      (key, value) => (/^clusterIPs?$/.test(key) ? undefined : value),
    )
    const known = new Set(Object.keys({ ...NOW[0]?.metadata, labels: {} }))
    return items.map(({ metadata, status: _status, ...rest }) => ({
      ...rest,
      metadata: Object.fromEntries(Object.entries(metadata).filter(([name]) => known.has(name))),
    }))
  }
  /** All but what is long in going. */
  const clear = async () => {
    const all = printYaml(NOW.filter(({ kind }) => kind !== 'Namespace' && kind !== 'CustomResourceDefinition'))
    await plane.runKubectl(['delete', '--wait', '-f', '-'], { input: all })
  }

  test('is the same as on an empty cluster, whichever way either was applied', async () => {
    await plane.runKubectl(SERVER, { input: YAML })
    const fresh = await contents()
    for (const [one, two] of [
      [CLIENT, CLIENT],
      [SERVER, SERVER],
      [SERVER, CLIENT],
      [CLIENT, SERVER],
    ] as const) {
      await clear()
      await plane.runKubectl(one === SERVER ? [...SERVER, '--force-conflicts'] : one, { input: EARLIER })
      await plane.runKubectl(two, { input: YAML })
      assert.deepEqual(await contents(), fresh, `${one.join(' ')}, then ${two.join(' ')}`)
    }
  })

  test('lacks nothing that the version before printed, which nobody would take away', () => {
    const names = (objects: readonly KubeObject[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
    const printed = new Set(names(NOW))
    const earlier: readonly KubeObject[] = parseAllDocuments(EARLIER).map((one) => one.toJS())
    assert.deepEqual(
      names(earlier).filter((name) => !printed.has(name)),
      [],
    )
  })
})
