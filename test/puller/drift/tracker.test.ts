import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../../contract/canonical-json.ts'
import { apiVersionOf } from '../../../puller/cluster/resources.ts'
import { Hub } from '../../../puller/drift/hub.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { type DesiredObject, prepare } from '../../../puller/plan/desired.ts'
import { FakeClock } from '../fake-clock.ts'
import { account, context } from '../plan-fixture.ts'
import {
  added,
  bookmark,
  configMap,
  deleted,
  endOfList,
  error,
  FakeWatches,
  modified,
  SET,
  settle,
} from './fake-watches.ts'

const resource = { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }
const PATH = '/api/v1/namespaces/shop/configmaps'

function desired(name: string, data = '1', of = resource): DesiredObject {
  const apiVersion = apiVersionOf(of)
  const object = { apiVersion, kind: of.kind, metadata: { name, namespace: 'shop' }, data: { a: data } }
  const [one] = prepare([object], context, new Map([[`${apiVersion} ${of.kind}`, of]]))
  assert.ok(one)
  return one
}

function world(begin: FakeWatches['begin'], sharedKinds: ReadonlySet<string> = new Set()) {
  const cluster = new FakeWatches()
  cluster.begin = begin
  const clock = new FakeClock()
  const faults: unknown[] = []
  const hub = new Hub(cluster, { clock, sharedKinds, onFault: (fault) => faults.push(fault) })
  const woken: string[] = []
  const tracker = new Tracker(hub, SET, clock, {
    drifted: () => woken.push('drifted'),
    stirred: () => woken.push('stirred'),
  })
  return { cluster, clock, hub, tracker, woken, faults }
}

/** One look that found these as they are wanted. */
function looked(tracker: Tracker, objects: readonly (readonly [DesiredObject, JsonObject])[]): void {
  tracker.begin()
  const wanted = objects.map(([one]) => one)
  tracker.want(wanted)
  for (const [one, object] of objects) tracker.compared(one, object)
  tracker.end({ account, desired: wanted })
}

const a = desired('a')
const showsA: FakeWatches['begin'] = (call) =>
  call.query.sendInitialEvents === 'true' ? [added(configMap('a', 5)), endOfList(7)] : []

const deployments = { group: 'apps', version: 'v1', kind: 'Deployment', plural: 'deployments', namespaced: true }
const api = desired('api', '1', deployments)
const apiAt = (version: number, generation = 1) => configMap('api', version, { generation })
const showsApi = (version: number) => () => [added(apiAt(version)), endOfList(version)]

/** One look that found the Deployment as it is wanted, and its health good in this version; `meanwhile` a watch shows something. */
async function lookedAtHealth(tracker: Tracker, seen: number, meanwhile: () => void = () => {}): Promise<void> {
  tracker.begin()
  tracker.want([api])
  tracker.compared(api, apiAt(5))
  meanwhile()
  await settle()
  tracker.calmed(new Map([[api.key, seen]]))
  tracker.end({ account, desired: [api] })
  await settle()
}

test('what changed between the look at health and the beginning of the watch makes health be looked at again', async () => {
  for (const { seen, wakes } of [
    { seen: 6, wakes: true },
    { seen: 8, wakes: false },
    { seen: 9, wakes: false },
  ]) {
    const { tracker, woken } = world(showsApi(8))
    await lookedAtHealth(tracker, seen)
    assert.deepEqual([woken, tracker.isCalm()], [wakes ? ['stirred'] : [], !wakes], String(seen))
    const shared = world(showsApi(8))
    const other = new Tracker(shared.hub, 'applyset-other-v1', shared.clock, { drifted: () => {}, stirred: () => {} })
    looked(other, [[desired('c', '1', deployments), configMap('c', 5)]])
    await settle()
    await lookedAtHealth(shared.tracker, seen)
    assert.equal(shared.cluster.calls.length, 1)
    assert.deepEqual([shared.woken.includes('stirred'), shared.tracker.isCalm()], [wakes, !wakes], `shared, ${seen}`)
  }
})

test('a change that a watch shows late, after health was good of it, is no news; the next one is', async () => {
  const { cluster, tracker, woken } = world(showsApi(6))
  await lookedAtHealth(tracker, 8)
  const [watch] = cluster.open.values()
  watch?.push(modified(apiAt(8)))
  await settle()
  assert.deepEqual([woken, tracker.isCalm()], [[], true])
  watch?.push(modified(apiAt(9)))
  await settle()
  assert.deepEqual([woken, tracker.isCalm()], [['stirred'], false])
})

test('what changed while health was looked at makes it be looked at again, unless it was seen', async () => {
  for (const { seen, generation, woken: expected } of [
    { seen: 6, generation: 1, woken: ['stirred'] },
    { seen: 8, generation: 1, woken: [] },
    { seen: 6, generation: 2, woken: ['drifted', 'stirred'] },
    { seen: 8, generation: 2, woken: ['drifted'] },
  ]) {
    const { cluster, tracker, woken } = world(showsApi(6))
    await lookedAtHealth(tracker, 6)
    const [watch] = cluster.open.values()
    await lookedAtHealth(tracker, seen, () => watch?.push(modified(apiAt(8, generation))))
    assert.deepEqual(woken, expected, JSON.stringify({ seen, generation }))
    assert.equal(tracker.isCalm(), seen === 8)
  }
})

test('what is well by a rule of its own is looked at again when it changes, though its kind has no health', async () => {
  const { cluster, tracker, woken } = world(showsA)
  tracker.begin()
  tracker.want([a])
  tracker.compared(a, configMap('a', 5))
  tracker.calmed(new Map([[a.key, 5]]))
  tracker.end({ account, desired: [a] })
  await settle()
  const entries = [{ manager: 'ingress', operation: 'Update', fieldsV1: { 'f:status': {} } }]
  cluster.open.get(PATH)?.push(modified(configMap('a', 8, { entries })))
  await settle()
  assert.deepEqual([woken, tracker.isCalm()], [['stirred'], false])
})

test('a look that does not come to health, or does not find it good, is no reason for the next one; what changes then is', async () => {
  const { cluster, tracker, woken } = world(showsApi(6))
  await lookedAtHealth(tracker, 6)
  const [watch] = cluster.open.values()
  watch?.push(modified(apiAt(8)))
  await settle()
  for (let i = 0; i < 3; i++) {
    tracker.begin()
    tracker.end({ account, desired: [api] })
  }
  assert.deepEqual([woken, tracker.isCalm()], [['stirred'], false])
  tracker.begin()
  watch?.push(modified(apiAt(9)))
  await settle()
  tracker.end({ account, desired: [api] })
  assert.deepEqual(woken, ['stirred', 'stirred'])
})

test('a look that ends after its Delivery is gone follows nothing any more', async () => {
  const { hub, tracker } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  tracker.begin()
  tracker.drop()
  const onlooker = { seen: () => {}, gone: () => {}, listed: () => {}, over: () => {} }
  assert.equal(tracker.lookOn(account, { resource: deployments, namespace: 'shop' }, onlooker), false)
  tracker.end({ account, desired: [a] })
  assert.equal(hub.size, 0)
})

test('what is as it was found needs no question, and what somebody changes does, at once', async () => {
  const { cluster, tracker, woken } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  assert.equal(tracker.converged(a), undefined, 'no watch has shown it yet')
  await settle()
  assert.deepEqual(tracker.converged(a)?.metadata, { name: 'a', namespace: 'shop', uid: 'u' })
  cluster.open.get(PATH)?.push(modified(configMap('a', 9, { time: 't2' })))
  await settle()
  assert.equal(tracker.converged(a), undefined)
  assert.deepEqual(woken, ['drifted'])
})

test('an object that is deleted, that loses its label, or that another one took the place of, has drifted', async () => {
  for (const event of [
    deleted(configMap('a', 9)),
    modified(configMap('a', 9, { uid: 'another' })),
    modified(configMap('a', 9, { applySet: 'applyset-other-v1' })),
  ]) {
    const { cluster, tracker, woken } = world(showsA)
    looked(tracker, [[a, configMap('a', 5)]])
    await settle()
    cluster.open.get(PATH)?.push(event)
    await settle()
    assert.deepEqual(woken, ['drifted'])
    assert.equal(tracker.converged(a), undefined)
  }
})

test('what others own, and a status, is no drift', async () => {
  const { cluster, tracker, woken } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  const theirs = { manager: 'them', operation: 'Update', time: 't9', fieldsV1: { 'f:data': { 'f:b': {} } } }
  cluster.open.get(PATH)?.push(modified(configMap('a', 9, { entries: [theirs] })))
  await settle()
  assert.deepEqual(woken, [])
  assert.notEqual(tracker.converged(a), undefined)
})

test('what changed and no entry tells of, such as a late apply in the second of our own write, is compared; a status alone is not', async () => {
  const status = (time: string) => ({
    manager: 'controller',
    operation: 'Update',
    subresource: 'status',
    time,
    fieldsV1: { 'f:status': {} },
  })
  const theirs = { manager: 'them', operation: 'Update', time: 't9', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
  for (const [counted, later, drifts] of [
    [{ generation: 3 }, { generation: 4 }, true],
    [{ generation: 3 }, { generation: 4, entries: [status('t2')] }, true],
    [{ generation: 3, entries: [status('t1')] }, { generation: 3, entries: [status('t1')] }, false],
    [{ generation: 3 }, { generation: 3, entries: [status('t2')] }, false],
    [{ generation: 3 }, { generation: 4, entries: [theirs] }, false],
    [{}, {}, true],
    [{}, { entries: [status('t2')] }, false],
  ] as const) {
    const { cluster, tracker, woken } = world(showsA)
    looked(tracker, [[a, configMap('a', 5)]])
    await settle()
    tracker.begin()
    tracker.written(a, configMap('a', 20, counted))
    tracker.end({ account, desired: [a] })
    cluster.open.get(PATH)?.push(modified(configMap('a', 20, counted)))
    await settle()
    assert.notEqual(tracker.converged(a), undefined, 'our own write')
    const told = JSON.stringify([counted, later])
    cluster.open.get(PATH)?.push(modified(configMap('a', 21, later)))
    await settle()
    assert.deepEqual(woken.includes('drifted'), drifts, told)
    assert.equal(tracker.converged(a) === undefined, drifts, told)
    tracker.begin()
    tracker.compared(a, configMap('a', 21, later))
    tracker.end({ account, desired: [a] })
    assert.notEqual(tracker.converged(a), undefined, 'once it was compared')
  }
})

test('an event that is older than our own write says nothing against it', async () => {
  const { cluster, tracker, woken } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  tracker.begin()
  tracker.written(a, configMap('a', 20, { time: 't3' }))
  cluster.open.get(PATH)?.push(modified(configMap('a', 15, { time: 't2' })))
  await settle()
  tracker.end({ account, desired: [a] })
  assert.notEqual(tracker.converged(a), undefined)
  cluster.open.get(PATH)?.push(modified(configMap('a', 20, { time: 't3' })))
  await settle()
  assert.deepEqual(woken, [])
})

test('what drifts during a look wakes after it', async () => {
  const { cluster, tracker, woken } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  tracker.begin()
  cluster.open.get(PATH)?.push(deleted(configMap('a', 9)))
  await settle()
  assert.deepEqual(woken, [])
  tracker.end({ account, desired: [a] })
  assert.deepEqual(woken, ['drifted'])
})

test('what drifts while a look waits for health ends the wait, also where it was seen before the wait began', async () => {
  const { cluster, tracker } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  tracker.begin()
  let ended = 0
  const over = tracker.whileWaiting(() => (ended += 1))
  await settle()
  assert.equal(ended, 0)
  cluster.open.get(PATH)?.push(deleted(configMap('a', 9)))
  await settle()
  assert.equal(ended, 1)
  over()
  tracker.whileWaiting(() => (ended += 1))()
  assert.equal(ended, 2)
  tracker.end({ account, desired: [a] })
})

test('other bytes than those that were applied are unknown, whatever the watch shows', async () => {
  const { tracker } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  const newer = desired('a', '2')
  tracker.want([newer])
  assert.equal(tracker.converged(newer), undefined)
})

test('a watch that is lost goes on where it was; 410 begins anew, and what vanished meanwhile has drifted', async () => {
  const answers: ReturnType<FakeWatches['begin']>[] = [
    [added(configMap('a', 5)), endOfList(7), bookmark(30)],
    'lost',
    [error(410)],
    [endOfList(40)],
  ]
  const { cluster, clock, tracker, woken } = world(() => answers.shift() ?? [])
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  cluster.open.get(PATH)?.close()
  await clock.runUntil(5_000)
  assert.deepEqual(
    cluster.calls.map(({ query }) => query.resourceVersion ?? 'anew'),
    ['anew', '30', '30', 'anew'],
  )
  assert.deepEqual(woken, ['drifted'])
})

test('a server that says no for a moment after its start is asked again soon; an account that may not list and watch ever less often', async () => {
  const { cluster, clock, tracker } = world(() => [error(403)])
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  assert.deepEqual(tracker.blind(), [{ place: '/ConfigMap/shop', why: 'forbidden' }])
  assert.equal(tracker.converged(a), undefined)
  await clock.runUntil(1_000)
  assert.equal(cluster.calls.length, 2)
  await clock.runUntil(600_000)
  assert.ok(cluster.calls.length <= 11, `${cluster.calls.length} watches in ten minutes`)
  cluster.begin = showsA
  await clock.runUntil(1_000_000)
  assert.deepEqual(tracker.blind(), [])
  assert.notEqual(tracker.converged(a), undefined)
})

test('one kind whose API is gone degrades that kind alone; a server that is away for a moment none', async () => {
  const bell = { ...resource, kind: 'Bell', plural: 'bells' }
  const b = desired('b', '1', bell)
  const { clock, tracker } = world((call) => (call.path.endsWith('bells') ? [error(404)] : showsA(call)))
  looked(tracker, [
    [a, configMap('a', 5)],
    [b, configMap('b', 5)],
  ])
  await settle()
  assert.deepEqual(tracker.blind(), [{ place: '/Bell/shop', why: 'missing' }])
  assert.notEqual(tracker.converged(a), undefined)
  const away = world(() => 'lost')
  looked(away.tracker, [[a, configMap('a', 5)]])
  await away.clock.runUntil(20_000)
  assert.deepEqual(away.tracker.blind(), [])
  await away.clock.runUntil(90_000)
  assert.deepEqual(away.tracker.blind(), [{ place: '/ConfigMap/shop', why: 'unanswered' }])
  assert.ok(away.cluster.calls.length < 12, `${away.cluster.calls.length} tries in 90 s`)
  await clock.runUntil(1_000)
})

test('a watch that a fault of ours ended shows nothing any more, and the next look begins another one', async () => {
  const { cluster, tracker, hub, faults } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  assert.equal(tracker.judge(a.key), 'converged')
  cluster.fail = new TypeError('a fault')
  cluster.open.get(PATH)?.push(bookmark(9))
  await settle()
  assert.deepEqual(
    [faults.length, tracker.blind(), hub.size],
    [1, [{ place: '/ConfigMap/shop', why: 'unanswered' }], 0],
  )
  cluster.fail = undefined
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  assert.deepEqual([tracker.judge(a.key), tracker.blind(), hub.size], ['converged', [], 1])
})

test('a server that cannot stream what exists is listed first', async () => {
  const { cluster, clock, tracker } = world((call) => (call.query.sendInitialEvents === 'true' ? [error(422)] : []))
  cluster.listAnswer = { status: 200, body: { metadata: { resourceVersion: '7' }, items: [configMap('a', 5)] } }
  looked(tracker, [[a, configMap('a', 5)]])
  await clock.runUntil(2_000)
  assert.notEqual(tracker.converged(a), undefined)
  assert.equal(cluster.calls.at(-1)?.query.resourceVersion, '7')
})

test('a server that ends every watch at once is not asked in a busy loop', async () => {
  const { cluster, clock, tracker } = world(() => [added(configMap('a', 5)), endOfList(7), error(410)])
  looked(tracker, [[a, configMap('a', 5)]])
  await clock.runUntil(10_000)
  assert.ok(cluster.calls.length <= 25, `${cluster.calls.length} watches in 10 s`)
})

test('Deliveries of one account share a watch, which ends with the last; shared kinds are watched everywhere as the puller', async () => {
  const { cluster, clock, hub, tracker } = world(showsA)
  const other = new Tracker(hub, 'applyset-other-v1', clock, { drifted: () => {}, stirred: () => {} })
  looked(tracker, [[a, configMap('a', 5)]])
  looked(other, [[desired('c'), configMap('c', 5)]])
  await settle()
  assert.equal(cluster.calls.length, 1)
  tracker.drop()
  assert.equal(hub.size, 1)
  other.drop()
  assert.equal(hub.size, 0)
  const shared = world(showsA, new Set(['/ConfigMap']))
  looked(shared.tracker, [[a, configMap('a', 5)]])
  await settle()
  assert.deepEqual(
    shared.cluster.calls.map(({ as, path }) => [as, path]),
    [['puller', '/api/v1/configmaps']],
  )
  assert.notEqual(shared.tracker.converged(a), undefined)
})

test('an object that is taken again and again is let be for a minute, then two, with who takes it; others go on', async () => {
  const { cluster, clock, tracker, woken } = world(showsA)
  looked(tracker, [[a, configMap('a', 5)]])
  await settle()
  let version = 10
  const fight = async () => {
    version += 2
    cluster.open.get(PATH)?.push(modified(configMap('a', version, { time: `theirs ${version}` })))
    await settle()
    if (tracker.converged(a) !== undefined) return false
    tracker.begin()
    tracker.differs(a, 'hpa', {})
    tracker.written(a, configMap('a', version + 1, { time: `ours ${version}` }))
    cluster.open.get(PATH)?.push(modified(configMap('a', version + 1, { time: `ours ${version}` })))
    tracker.end({ account, desired: [a] })
    await settle()
    return true
  }
  let corrections = 0
  while (await fight()) corrections += 1
  assert.equal(corrections, 6)
  assert.deepEqual(tracker.contested(), [{ key: a.key, manager: 'hpa', untilMs: 60_000 }])
  const before = woken.length
  assert.equal(await fight(), false)
  assert.equal(woken.length, before, 'what is let be wakes nobody')
  await clock.runUntil(61_000)
  assert.equal(await fight(), true)
  assert.equal(await fight(), false)
  assert.deepEqual(tracker.contested(), [{ key: a.key, manager: 'hpa', untilMs: 181_000 }])
})

test('what was found different and left wakes once it has changed since, also before its watch showed anything', async () => {
  for (const [seen, wakes] of [
    [4, 1],
    [5, 0],
  ] as const) {
    const { cluster, tracker, woken } = world(showsA)
    tracker.begin()
    tracker.want([a])
    tracker.differs(a, 'somebody', configMap('a', seen))
    tracker.end({ account, desired: [a] })
    await settle()
    assert.equal(woken.filter((how) => how === 'drifted').length, wakes, `seen in version ${seen}`)
    cluster.open.get(PATH)?.push(modified(configMap('a', 9)))
    await settle()
    assert.equal(woken.filter((how) => how === 'drifted').length, wakes + 1, 'whoever changed it, and whatever')
  }
})
