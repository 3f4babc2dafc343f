import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Packed } from '../../packager/pack.ts'
import { field } from '../real/control-plane.ts'
import { killHarness, type Scenario } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/** As kill.real.test.ts does, for what operators say: deletions, approvals, and holds that end. */
let world: World
let harness: ReturnType<typeof killHarness>
let first: Packed
let second: Packed
before(async () => {
  world = await startWorld()
  harness = killHarness(world, 'kill-control/shop')
  await harness.trust()
  const late = { ...configMap('old', {}), metadata: { name: 'old', annotations: { 'waybill.dev/wave': '1' } } }
  const packed = (revision: string, more: Parameters<typeof release>[2]) =>
    harness.store(release(harness.repository, revision, [configMap('settings', { a: revision }), ...more]))
  first = packed('1', [late])
  second = packed('2', [])
})
after(async () => {
  await world?.stop()
  harness?.close()
})

const deliveryAt = (namespace: string) => `/apis/waybill.dev/v1alpha1/namespaces/${namespace}/deliveries/app`
const deliveryIn = async (namespace: string) => (await world.plane.api('GET', deliveryAt(namespace))).body
const mapsAt = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`
const isThere = async (namespace: string, name: string) =>
  (await world.plane.api('GET', `${mapsAt(namespace)}/${name}`)).status === 200

async function edit(namespace: string, body: JsonObject): Promise<void> {
  const contentType = 'application/merge-patch+json'
  const { status } = await world.plane.api('PATCH', `${deliveryAt(namespace)}?fieldManager=person`, {
    body,
    contentType,
  })
  assert.equal(status, 200)
}

async function inEach(namespaces: readonly string[], work: (namespace: string) => Promise<unknown>): Promise<void> {
  for (const namespace of namespaces) await work(namespace)
}

const annotate = (namespace: string, name: string, value: string) =>
  edit(namespace, { metadata: { annotations: { [`waybill.dev/${name}`]: value } } })

const source = ({ digest }: Packed) => ({ repository: harness.repository, digest })

/** A second release waits for approval. */
const askingFor = (namespaces: readonly string[]) =>
  inEach(namespaces, (namespace) => edit(namespace, { spec: { sync: 'approve', source: source(second) } }))

/** Confirms what is found unmanaged, as the status shows it. */
async function confirmFound(namespaces: readonly string[]): Promise<void> {
  await harness.look(namespaces)
  await inEach(namespaces, async (namespace) => {
    const digest = field(await deliveryIn(namespace), 'status', 'unmanaged', 'digest')
    if (typeof digest === 'string') await annotate(namespace, 'confirm', digest)
  })
}

describe('a puller that is killed at any of its writes and started again', () => {
  const killed = (
    name: string,
    prefix: string,
    scenario: () => Omit<Scenario, 'name'>,
    then = async (_: string) => {},
  ) =>
    test(name, { timeout: 400_000 }, async (t) => {
      await harness.killAtEachWrite({ name, ...scenario() }, prefix, t)
      await then(`${prefix}-after-1`)
    })

  killed(
    'deletes what a Delivery delivered, lets it go, and says so once',
    'kill-removal',
    () => ({
      before: [first],
      spec: { deletion: 'delete' },
      ends: 'gone',
      wish: {
        act: (namespaces) => inEach(namespaces, (namespace) => world.plane.api('DELETE', deliveryAt(namespace))),
      },
    }),
    async (namespace) => {
      assert.equal((await world.plane.api('GET', deliveryAt(namespace))).status, 404)
      assert.deepEqual([await isThere(namespace, 'settings'), await isThere(namespace, 'foreign')], [false, true])
    },
  )

  killed('says once that a release waits for approval', 'kill-waiting', () => ({
    before: [first],
    ends: 'waiting',
    wish: { act: askingFor },
  }))

  killed(
    'carries out what was approved, and says once by whom',
    'kill-approval',
    () => ({
      before: [first],
      wish: {
        act: async (namespaces) => {
          await askingFor(namespaces)
          await harness.look(namespaces)
          await inEach(namespaces, async (namespace) => {
            const plan = field(await deliveryIn(namespace), 'status', 'plan')
            await annotate(namespace, 'approve', `${field(plan, 'digest')} ${field(plan, 'plan')}`)
          })
        },
      },
    }),
    async (namespace) => assert.equal(await isThere(namespace, 'old'), false),
  )

  killed(
    'ends a hold whose time has come, and follows its source again',
    'kill-expiry',
    () => {
      const until = `${new Date(Date.now() - 60_000).toISOString().slice(0, 19)}Z`
      return {
        before: [first, second],
        wish: {
          act: async (namespaces) => {
            const hold = { digest: first.digest, until }
            await inEach(namespaces, (namespace) => edit(namespace, { spec: { hold } }))
            await harness.look(namespaces, { agoMs: 3_600_000 })
            await inEach(namespaces, async (namespace) => assert.equal(await isThere(namespace, 'old'), true))
          },
        },
      }
    },
    async (namespace) => {
      assert.equal(field(await deliveryIn(namespace), 'spec', 'hold'), undefined)
      assert.equal(await isThere(namespace, 'old'), false)
    },
  )

  killed(
    'removes nothing that nobody confirmed, and what is left of that once it is confirmed again',
    'kill-unmanaged',
    () => ({
      before: [first],
      wish: {
        act: async (namespaces) => {
          await inEach(namespaces, async (namespace) => {
            for (const name of ['stray-1', 'stray-2'])
              await world.plane.api('POST', mapsAt(namespace), { body: { metadata: { name } } })
            const ignore = [{ kind: 'ConfigMap', name: 'foreign' }]
            await edit(namespace, { spec: { unmanaged: { namespaces: [namespace], policy: 'delete', ignore } } })
          })
          await confirmFound(namespaces)
        },
      },
      after: async (namespaces) => {
        await confirmFound(namespaces)
        await harness.look(namespaces)
        await inEach(namespaces, async (namespace) => {
          assert.deepEqual([await isThere(namespace, 'stray-1'), await isThere(namespace, 'stray-2')], [false, false])
          const { records } = await harness.stateOf(namespace)
          const asked = records.filter(({ kind }) => kind === 'Intent').length
          assert.equal(records.filter(({ kind }) => kind === 'Removed' || kind === 'Applied').length, asked)
        })
      },
    }),
  )
})
