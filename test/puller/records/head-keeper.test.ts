import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { isJsonObject } from '../../../contract/canonical-json.ts'
import { hasCode } from '../../../contract/errors.ts'
import type { Clock } from '../../../puller/clock.ts'
import type { Cluster, ClusterRequest } from '../../../puller/cluster/cluster-port.ts'
import { recordName } from '../../../puller/records/chain.ts'
import { HeadKeeper } from '../../../puller/records/head-keeper.ts'
import { HEADS_BYTES_MAX } from '../../../puller/records/head-places.ts'
import { readHead } from '../../../puller/records/heads.ts'
import { FakeCluster } from '../../fakes/cluster.ts'
import { A, B, clockAt } from './records-fixture.ts'

const NAMESPACE = 'waybill-system'
const CONFIG_MAP = `/api/v1/namespaces/${NAMESPACE}/configmaps/waybill-records`
const MINUTE_MS = 60_000

let fake: FakeCluster
/** Each request, and whether it was asked for metadata alone. */
let asked: string[]
let cluster: Cluster
let nowMs: number
let heads: HeadKeeper

let slept: number[]

const clock: Clock = {
  ...clockAt('2026-11-21T10:00:00Z'),
  monotonicMs: () => nowMs,
  sleep: async (ms) => {
    slept.push(ms)
    await new Promise(setImmediate)
    nowMs += ms
  },
}
const keeper = (deliveries?: () => Promise<ReadonlySet<string>>) =>
  new HeadKeeper(cluster, { namespace: NAMESPACE, publicPem: 'PEM', clock, ...(deliveries && { deliveries }) })
const delivery = (name: string) => ({ namespace: 'shop', name, uid: `${name}-0000-4222-8333-444455556666` })
const head = (name: string, sequence: number, hash = A) => ({
  name: recordName(delivery(name), sequence),
  sequence,
  hash,
})
const write = (name: string, sequence: number, hash = A) => heads.write(delivery(name), head(name, sequence, hash))
const stored = async (name: string) => (await readHead(fake, NAMESPACE, delivery(name).uid)).head?.sequence

beforeEach(async () => {
  fake = new FakeCluster()
  asked = []
  nowMs = 0
  slept = []
  cluster = {
    request: (as, request: ClusterRequest) => {
      asked.push(`${request.method}${request.accept?.includes('PartialObjectMetadata') === true ? ' metadata' : ''}`)
      return fake.request(as, request)
    },
    watch: () => fake.watch(),
    resource: () => fake.resource(),
  }
  heads = keeper()
  await write('first', 1)
  asked = []
  nowMs += 1_000
})

/** What another puller, or a person, does to the ConfigMap. */
function setStored(entries: Readonly<Record<string, number>>, hash = A): void {
  const { metadata, data } = fake.objects.get(CONFIG_MAP) ?? {}
  const texts = Object.entries(entries).map(([name, sequence]) => [
    delivery(name).uid,
    JSON.stringify(head(name, sequence, hash)),
  ])
  const version = isJsonObject(metadata) ? `${String(metadata.resourceVersion)}x` : 'x'
  fake.objects.set(CONFIG_MAP, {
    metadata: { name: 'waybill-records', resourceVersion: version },
    data: { ...(isJsonObject(data) ? data : {}), ...Object.fromEntries(texts) },
  })
}

describe('heads of many Deliveries', () => {
  test('that come in while a write is under way are written together after it, and nothing is read', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `d${at}`)
    await Promise.all([write('early', 1), ...names.map((name) => write(name, 1))])
    await Promise.all(names.map((name) => write(name, 2)))
    assert.deepEqual(new Set(asked), new Set(['PATCH metadata']))
    assert.ok(asked.length <= 3, String(asked.length))
    for (const name of names) assert.equal(await stored(name), 2)
  })

  test('that come in right after a write wait a little for others, and one that comes alone does not wait', async () => {
    await write('a', 1)
    assert.deepEqual(slept, [])
    nowMs += 30
    await Promise.all([write('a', 2), new Promise(setImmediate).then(() => write('b', 1))])
    assert.deepEqual([slept, asked], [[70], ['PATCH metadata', 'PATCH metadata']])
  })

  test('that come in after many were written wait longer, so that as many go together again', async () => {
    await write('early', 1)
    await Promise.all(['a', 'b', 'c'].map((name) => write(name, 1)))
    slept.length = 0
    await write('d', 1)
    await write('e', 1)
    assert.deepEqual(slept, [300, 100])
  })

  test('are stored when their writers are told so', async () => {
    const told: (number | undefined)[] = []
    await Promise.all(['a', 'b', 'c'].map((name) => write(name, 1).then(async () => told.push(await stored(name)))))
    assert.deepEqual(told, [1, 1, 1])
  })

  test('fail together where their write fails, are read again, and can be written again', async () => {
    fake.onWrite = () => 'crash-before'
    const all = await Promise.allSettled([write('a', 1), write('b', 1)])
    assert.deepEqual(
      all.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    fake.onWrite = () => undefined
    asked = []
    await Promise.all([write('a', 1), write('b', 1)])
    assert.deepEqual(asked, ['GET', 'PATCH metadata'])
    assert.deepEqual([await stored('a'), await stored('b')], [1, 1])
  })

  test('do not fail for the ones before or after them', async () => {
    let writes = 0
    fake.onWrite = () => (++writes === 1 ? 'crash-before' : undefined)
    const early = assert.rejects(write('a', 1), /killed/)
    await new Promise(setImmediate)
    await write('b', 1)
    await early
    assert.deepEqual([await stored('a'), await stored('b')], [undefined, 1])
  })

  test('whose answer was lost are found there when they are written again', async () => {
    fake.onWrite = () => 'lost'
    await assert.rejects(write('a', 1), /lost/)
    fake.onWrite = () => undefined
    asked = []
    await write('a', 1)
    assert.deepEqual(asked, ['GET'])
  })

  test('that the API server does not accept are refused at once, and not tried over and over', async () => {
    const refusing: Cluster = {
      ...cluster,
      request: async (as, request) =>
        request.method === 'PATCH' ? { status: 422, body: { reason: 'Invalid' } } : cluster.request(as, request),
    }
    heads = new HeadKeeper(refusing, { namespace: NAMESPACE, publicPem: 'PEM', clock })
    await assert.rejects(write('a', 1), (error) => hasCode(error, 'CLUSTER_FAILED'))
    assert.deepEqual(asked, ['GET', 'GET'])
  })
})

describe('another puller at the same ConfigMap', () => {
  test('is noticed: what it wrote is read, and ours is written beside it', async () => {
    setStored({ other: 7 })
    await write('a', 1)
    assert.deepEqual(asked, ['PATCH metadata', 'GET', 'PATCH metadata'])
    assert.deepEqual([await stored('other'), await stored('a')], [7, 1])
  })

  test('is never set back, neither in a head that is known nor in the first one', async () => {
    setStored({ first: 5, a: 3 }, B)
    await Promise.all([write('first', 2), write('a', 1), write('b', 1)])
    assert.deepEqual([await stored('first'), await stored('a'), await stored('b')], [5, 3, 1])
  })

  test('of two heads of one chain that wait the longer chain’s is kept, in whatever order they came', async () => {
    await Promise.all([write('early', 1), write('a', 3), write('a', 2)])
    assert.equal(await stored('a'), 3)
  })

  test('a ConfigMap that somebody removed is made again with the public key', async () => {
    fake.objects.delete(CONFIG_MAP)
    await write('a', 1)
    const { data } = fake.objects.get(CONFIG_MAP) ?? {}
    assert.deepEqual(isJsonObject(data) ? Object.keys(data).sort() : [], [delivery('a').uid, 'puller.pub'])
  })
})

describe('reading', () => {
  const read = (name: string, options?: { anew: boolean }) => heads.read(delivery(name).uid, options)

  test('asks for nothing soon after a write, later for the version alone, and for all of it only when that changed', async () => {
    assert.deepEqual([(await read('first')).head?.sequence, asked], [1, []])
    nowMs += MINUTE_MS
    assert.deepEqual([(await read('first')).head?.sequence, asked], [1, ['GET metadata']])
    assert.equal((await read('nobody')).head, null)
    assert.deepEqual(asked, ['GET metadata'])
    nowMs += MINUTE_MS
    setStored({ first: 4 })
    assert.deepEqual([(await read('first')).head?.sequence, asked], [4, ['GET metadata', 'GET metadata', 'GET']])
  })

  test('anew sees what another puller wrote a moment ago', async () => {
    setStored({ first: 4 })
    assert.equal((await read('first')).head?.sequence, 1)
    assert.equal((await read('first', { anew: true })).head?.sequence, 4)
  })

  test('by many at a time is one request', async () => {
    heads = keeper()
    await Promise.all(['a', 'b', 'first'].map((name) => read(name)))
    assert.deepEqual(asked, ['GET'])
  })
})

describe('a ConfigMap that is full', () => {
  const many = 200
  const bytes = Math.ceil(HEADS_BYTES_MAX / many)
  const fill = () => {
    const entry = JSON.stringify({ ...head('x', 1), namespace: 'n'.repeat(bytes) })
    const texts = Array.from({ length: many }, (_, at) => [delivery(`old${at}`).uid, entry])
    const { metadata, data } = fake.objects.get(CONFIG_MAP) ?? {}
    const before = isJsonObject(data) ? data : {}
    fake.objects.set(CONFIG_MAP, { ...(metadata && { metadata }), data: { ...before, ...Object.fromEntries(texts) } })
  }

  test('takes no further Delivery, says so, and goes on for those that it has', async () => {
    fill()
    heads = keeper()
    const [known, other] = await Promise.allSettled([write('first', 2), write('new', 1)])
    assert.equal(known.status, 'fulfilled')
    assert.ok(other.status === 'rejected' && hasCode(other.reason, 'RECORDS_FULL'))
    assert.deepEqual([await stored('first'), await stored('new')], [2, undefined])
  })

  test('gets room from Deliveries that are gone, and from no other', async () => {
    fill()
    setStored({ old1: 5 })
    let lists = 0
    const alive = new Set(['first', 'new', 'old0'].map((name) => delivery(name).uid))
    heads = keeper(async () => {
      lists += 1
      return alive
    })
    await Promise.all([write('new', 1), write('old1', 2)])
    const { data } = fake.objects.get(CONFIG_MAP) ?? {}
    const names = isJsonObject(data) ? Object.keys(data).map((key) => key.split('-')[0]) : []
    assert.deepEqual([names.length, names.sort().slice(0, 9)], [5, ['first', 'new', 'old0', 'old1', 'puller.pub']])
    assert.equal(await stored('old1'), 5)
    assert.equal(lists, 1)
  })

  test('goes on for those that it has where Deliveries cannot be listed, and lists them no more often than it may help', async () => {
    fill()
    let lists = 0
    heads = keeper(async () => {
      lists += 1
      throw new Error('no list')
    })
    const full = (error: unknown) => hasCode(error, 'RECORDS_FULL')
    const refused = assert.rejects(write('new', 1), full)
    await write('first', 2)
    await refused
    await assert.rejects(write('new', 1), full)
    assert.equal(lists, 1)
  })
})
