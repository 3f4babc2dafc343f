import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../../contract/artifact/objects.ts'
import { Hub } from '../../../puller/drift/hub.ts'
import { Tracker } from '../../../puller/drift/tracker.ts'
import { prepare } from '../../../puller/plan/desired.ts'
import type { Progress } from '../../../puller/reconcile/job.ts'
import { beginWait, pace } from '../../../puller/reconcile/release-wait.ts'
import { added, configMap, endOfList, FakeWatches, modified, SET, settle } from '../drift/fake-watches.ts'
import { FakeClock } from '../fake-clock.ts'
import { account, context, desiredDeployments } from '../plan-fixture.ts'

const waitingFor = (ready: number): Progress => ({ ready, total: 5, waiting: ['Deployment.apps shop/api'] })

test('progress is said after a second, then every second at most, and always the newest', async () => {
  const clock = new FakeClock()
  const said: string[] = []
  const paced = pace(clock, async ({ ready }) => void said.push(`${ready} at ${clock.nowMs()}`))
  for (let i = 0; i <= 20; i++) {
    paced.say(waitingFor(i))
    await clock.runUntil((i + 1) * 100)
  }
  assert.deepEqual(said, ['9 at 1000', '19 at 2000'])
  await clock.runUntil(10_000)
  assert.deepEqual(said.slice(2), ['20 at 3000'])
  await paced.settled()
})

test('what is over within the first second is not said at all', async () => {
  const clock = new FakeClock()
  const said: Progress[] = []
  const paced = pace(clock, async (progress) => void said.push(progress))
  paced.say(waitingFor(1))
  await clock.runUntil(900)
  await paced.settled()
  await clock.runUntil(5_000)
  assert.deepEqual(said, [])
})

test('a status that cannot be written now holds nothing up', async () => {
  const clock = new FakeClock()
  let tries = 0
  const paced = pace(clock, async () => {
    tries += 1
    throw new Error('the API server is away')
  })
  paced.say(waitingFor(1))
  await clock.runUntil(1_000)
  paced.say(waitingFor(2))
  await clock.runUntil(3_000)
  await paced.settled()
  assert.equal(tries, 2)
})

test('what its own write says to be well is in the version of that write, and the watch that shows it is no news', async () => {
  const clock = new FakeClock()
  const cluster = new FakeWatches()
  const services = { group: '', version: 'v1', kind: 'Service', plural: 'services', namespaced: true }
  const desired = prepare(
    [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'api' } }],
    context,
    new Map([['v1 Service', services]]),
  )
  const [service] = desired
  assert.ok(service)
  const serviceAt = (version: number, time: string): KubeObject => ({
    ...configMap('api', version, { time }),
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...Object(configMap('api', version, { time }).metadata), name: 'api' },
  })
  cluster.begin = () => [added(serviceAt(5, 't1')), endOfList(5)]
  const hub = new Hub(cluster, { clock, onFault: (fault) => assert.fail(String(fault)) })
  const woken: string[] = []
  const wake = { drifted: () => woken.push('drifted'), stirred: () => woken.push('stirred') }
  const tracker = new Tracker(hub, SET, clock, wake)
  tracker.begin()
  tracker.want(desired)
  tracker.compared(service, serviceAt(5, 't1'))
  tracker.calmed(new Map([[service.key, 5]]))
  tracker.end({ account, desired })
  await settle()

  tracker.begin()
  const job = {
    site: { clock, cluster, waitTimeoutMs: 1_000 },
    turn: { signal: new AbortController().signal, outside: <T>(work: () => Promise<T>) => work() },
    delivery: { spec: {} },
    newer: async () => undefined,
    progress: async () => {},
  }
  const wait = beginWait(job, context, { desired, unchanged: [] })
  tracker.written(service, serviceAt(9, 't2'))
  wait.wrote?.(service, serviceAt(9, 't2'))
  cluster.open.get('/api/v1/namespaces/shop/services')?.push(modified(serviceAt(9, 't2')))
  await settle()
  tracker.calmed((await wait.healthy(desired)).versions)
  tracker.end({ account, desired })
  await wait.close()
  assert.deepEqual([woken, tracker.isCalm()], [[], true])
})

test('coming back to work takes nothing from the time that a release may take', { timeout: 20_000 }, async () => {
  const clock = new FakeClock()
  const desired = desiredDeployments('api')
  const tookMs: number[] = []
  const outside = async <T>(work: () => Promise<T>): Promise<T> => {
    const leftAtMs = clock.monotonicMs()
    const done = await work()
    tookMs.push(clock.monotonicMs() - leftAtMs)
    await clock.sleep(800)
    return done
  }
  const job = {
    site: { clock, cluster: new FakeWatches(), waitTimeoutMs: 1_000 },
    turn: { signal: new AbortController().signal, outside },
    delivery: { spec: {} },
    newer: async () => undefined,
    progress: async () => {},
  }
  const wait = beginWait(job, context, { desired, unchanged: [] })
  const waited = wait.gone([]).then(() => wait.healthy(desired))
  await clock.runUntil(5_000)
  assert.equal((await waited).healthy, false)
  assert.deepEqual(tookMs, [0, 1_000])
  await wait.close()
})
