import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { parseDelivery } from '../../../puller/observe.ts'
import { dependantsOf, dependencyWait, standingOf } from '../../../puller/reconcile/dependencies.ts'

const ONE = `sha256:${'1'.repeat(64)}`
const TWO = `sha256:${'2'.repeat(64)}`

type Shape = {
  readonly dependsOn?: readonly JsonObject[]
  readonly generation?: number
  readonly seen?: number
  readonly ready?: string
  readonly resolved?: string
  readonly applied?: string
  readonly version?: string
  readonly spec?: JsonObject
}

function delivery(id: string, shape: Shape = {}): JsonObject {
  const [namespace = '', name = ''] = id.split('/')
  const { generation = 1, seen = generation, ready = 'True', resolved = ONE, applied = resolved, version } = shape
  return {
    metadata: { namespace, name, uid: id, resourceVersion: '1', generation },
    spec: {
      source: { repository: 'registry.example.com/acme/shop', channel: 'production' },
      ...(shape.dependsOn === undefined ? {} : { dependsOn: shape.dependsOn }),
      ...shape.spec,
    },
    status: {
      observedGeneration: seen,
      conditions: [
        {
          type: 'Ready',
          status: ready,
          reason: 'Because',
          message: '',
          lastTransitionTime: '',
          observedGeneration: seen,
        },
      ],
      resolved: { digest: resolved, at: '' },
      applied: { digest: applied, at: '', ...(version === undefined ? {} : { version }) },
    },
  }
}

const wait = (own: JsonObject, ...others: JsonObject[]) =>
  dependencyWait(parseDelivery(own), [own, ...others], async () => true)
/** As an account that may get Deliveries of these namespaces only. */
const waitSeeing = (namespaces: readonly string[], own: JsonObject, ...others: JsonObject[]) =>
  dependencyWait(parseDelivery(own), [own, ...others], async (namespace) => namespaces.includes(namespace))
const web = (dependency: JsonObject = {}) => delivery('shop/web', { dependsOn: [{ name: 'db', ...dependency }] })

test('a Delivery waits for nothing once what it depends on is healthy at what it asks for', async () => {
  assert.equal(await wait(web(), delivery('shop/db')), undefined)
  assert.equal(await wait(web({ namespace: 'data' }), delivery('data/db')), undefined)
  assert.equal(await wait(delivery('shop/web')), undefined)
})

const ROWS: readonly (readonly [what: string, JsonObject, RegExp])[] = [
  ['is not there', delivery('shop/other'), /shop\/db which does not exist/],
  ['is not ready', delivery('shop/db', { ready: 'False' }), /not ready: Because/],
  ['was edited and not looked at', delivery('shop/db', { generation: 2, seen: 1 }), /was edited/],
  ['runs the release before the one it asks for', delivery('shop/db', { resolved: TWO, applied: ONE }), /does not run/],
  [
    'is not yet back at the digest it is held at',
    delivery('shop/db', { spec: { hold: { digest: TWO } } }),
    /does not run/,
  ],
]
for (const [what, other, expected] of ROWS)
  test(`a Delivery waits for one that ${what}`, async () => {
    assert.match((await wait(web(), other))?.message ?? '', expected)
  })

test('a dependency can be asked for by version, of what it runs', async () => {
  const own = web({ version: '>=1.4 <2' })
  assert.equal(await wait(own, delivery('shop/db', { version: '1.5.0' })), undefined)
  assert.match(
    (await wait(own, delivery('shop/db', { version: '1.3.9' })))?.message ?? '',
    /runs 1\.3\.9, and >=1\.4 <2 is needed/,
  )
  assert.match((await wait(own, delivery('shop/db')))?.message ?? '', /runs no version/)
})

test('Deliveries that wait for each other are told so, with the way', async () => {
  const a = delivery('shop/a', { dependsOn: [{ name: 'b' }], ready: 'Unknown' })
  const b = delivery('shop/b', { dependsOn: [{ name: 'c', namespace: 'data' }], ready: 'Unknown' })
  const c = delivery('data/c', { dependsOn: [{ name: 'a', namespace: 'shop' }], ready: 'Unknown' })
  assert.equal((await wait(a, delivery('shop/b', { ready: 'False' })))?.forever, undefined)
  assert.equal((await wait(a, b, c))?.forever, true)
  assert.match((await wait(a, b, c))?.message ?? '', /depends on itself.*shop\/a → shop\/b → data\/c → shop\/a/)
})

test('of a Delivery elsewhere that the account may not get nothing is told, and what it needs is', async () => {
  const own = web({ namespace: 'data', version: '>=2' })
  const others = [delivery('data/db', { version: '3.0.0' }), delivery('data/db', { ready: 'False', version: '1.0.0' })]
  const said = await waitSeeing(['shop'], own)
  assert.match(said?.message ?? '', /data\/db .*: the service account may not get deliveries in data; .*shop\/waybill/)
  for (const other of others) assert.deepEqual(await waitSeeing(['shop'], own, other), said)
  assert.equal(await waitSeeing(['shop', 'data'], own, delivery('data/db', { version: '3.0.0' })), undefined)
})

test('a ring that goes through a Delivery that the account may not get is not told', async () => {
  const a = delivery('shop/a', { dependsOn: [{ name: 'b', namespace: 'data' }], ready: 'Unknown' })
  const b = delivery('data/b', { dependsOn: [{ name: 'c', namespace: 'secret' }], ready: 'Unknown' })
  const c = delivery('secret/c', { dependsOn: [{ name: 'a', namespace: 'shop' }], ready: 'Unknown' })
  assert.equal((await waitSeeing(['shop', 'data', 'secret'], a, b, c))?.forever, true)
  const said = await waitSeeing(['shop', 'data'], a, b, c)
  assert.equal(said?.forever, undefined)
  assert.match(said?.message ?? '', /data\/b which is not ready: Because/)
  assert.doesNotMatch(said?.message ?? '', /secret/)
})

test('a change that counts for dependants is told from one that does not', () => {
  assert.notEqual(standingOf(delivery('shop/db')), standingOf(delivery('shop/db', { ready: 'False' })))
  const { status, ...rest } = delivery('shop/db')
  const told = { ...rest, status: { ...Object(status), lastRecord: { name: 'r', sequence: 7, hash: ONE } } }
  assert.equal(standingOf(told), standingOf(delivery('shop/db')))
  assert.deepEqual(dependantsOf('shop/db', [web(), delivery('shop/db'), delivery('other/web')]), ['shop/web'])
})
