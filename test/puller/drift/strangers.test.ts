import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hub } from '../../../puller/drift/hub.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import { FakeClock } from '../fake-clock.ts'
import { account, context } from '../plan-fixture.ts'
import { added, endOfList, FakeWatches, modified, SET, settle } from './fake-watches.ts'

const resource = { group: 'apps', version: 'v1', kind: 'Deployment', plural: 'deployments', namespaced: true }
const deployment = (name: string, version: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name,
    namespace: 'shop',
    uid: `uid-${name}`,
    resourceVersion: String(version),
    labels: { 'applyset.kubernetes.io/part-of': SET },
  },
})

test('an object that somebody put our label on, and changes again and again, wakes nobody', async () => {
  const cluster = new FakeWatches()
  cluster.begin = () => [added(deployment('mine', 5)), added(deployment('theirs', 6)), endOfList(7)]
  const hub = new Hub(cluster, { clock: new FakeClock(), onFault: () => assert.fail() })
  const woken: string[] = []
  const wake = { drifted: () => void woken.push('drifted'), stirred: () => void woken.push('stirred') }
  const tracker = new Tracker(hub, SET, new FakeClock(), wake)
  const object = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'mine', namespace: 'shop' } }
  const desired = prepare([object], context, new Map([['apps/v1 Deployment', resource]]))
  const [mine] = desired
  assert.ok(mine)
  tracker.begin()
  tracker.want(desired)
  tracker.compared(mine, deployment('mine', 5))
  tracker.end({ account, desired })
  await settle()
  woken.length = 0
  const path = '/apis/apps/v1/namespaces/shop/deployments'
  for (const version of [8, 9]) cluster.open.get(path)?.push(modified(deployment('theirs', version)))
  await settle()
  assert.deepEqual(woken, [])
  cluster.open.get(path)?.push(modified(deployment('mine', 10)))
  await settle()
  assert.equal(woken.length, 1)
  tracker.drop()
  await hub.end()
})
