import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { app, job } from './apps.ts'
import { killHarness, type Scenario } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/** As kill.real.test.ts does, for what goes on over days: waves and migrations, adoption, old records that go. */
let world: World
let harness: ReturnType<typeof killHarness>
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
  harness = killHarness(world, 'kill-day-two/shop')
  await harness.trust()
})
after(async () => {
  await world?.stop()
  harness?.close()
})

const once = { run: 'once-per-release' }
const ordered = (revision: string, more: string) =>
  harness.store(
    release(harness.repository, `ordered-${revision}`, [
      configMap('settings', { a: revision }),
      job('migrate', { ...once, wave: '-1' }, { image: `registry.example.com/migrate:${revision}` }),
      app('web'),
      {
        ...configMap('last', { [more]: revision }),
        metadata: { name: 'last', annotations: { 'waybill.dev/wave': '1' } },
      },
    ]),
  )

describe('a puller that is killed at any of its writes and started again', () => {
  test('converges during a release in waves with a migration, and migrates once', { timeout: 500_000 }, async (t) => {
    const [first, second] = [ordered('1', 'a'), ordered('2', 'b')]
    const scenario: Scenario = { name: 'waves', before: [first], wish: { release: second, by: 'channel' } }
    const mark = await world.plane.auditMark()
    await harness.killAtEachWrite(scenario, 'kill-waves', t)
    const ran = new Map<string, number>()
    for (const { verb, requestURI, objectRef, responseStatus } of await world.plane.auditSince(mark)) {
      const isRun = objectRef?.resource === 'jobs' && verb === 'patch' && responseStatus?.code === 201
      if (!isRun || requestURI.includes('dryRun')) continue
      const namespace = objectRef.namespace ?? ''
      ran.set(namespace, (ran.get(namespace) ?? 0) + 1)
    }
    assert.deepEqual(
      [...ran].filter(([, times]) => times !== 2),
      [],
      'once for each of the two releases',
    )
    assert.ok(ran.size > 10)
  })

  test('converges during an adoption, and takes the fields over once', { timeout: 500_000 }, async (t) => {
    const packed = harness.store(
      release(harness.repository, 'adopted', [configMap('settings', { a: '1' }), app('web')]),
    )
    const scenario: Scenario = {
      name: 'adoption',
      before: [],
      wish: { release: packed, by: 'digest' },
      spec: { adopt: 'always' },
      arrange: async (namespace) => {
        const there = {
          ...configMap('settings', { a: '0', dropped: 'since' }),
          metadata: { name: 'settings', namespace },
        }
        await world.plane.runKubectl(['apply', '-f', '-'], { input: JSON.stringify(there) })
      },
    }
    await harness.killAtEachWrite(scenario, 'kill-adoption', t)
  })

  test('loses none of the chain while old records go', { timeout: 500_000 }, async (t) => {
    const releases = ['1', '2', '3', '4'].map((revision) =>
      harness.store(release(harness.repository, `kept-${revision}`, [configMap('settings', { a: revision })])),
    )
    const [one, two, three, four] = releases
    assert.ok(one && two && three && four)
    const scenario: Scenario = {
      name: 'retention',
      before: [one, two],
      wish: { release: three, by: 'digest' },
      fewRecords: true,
      after: four,
    }
    await harness.killAtEachWrite(scenario, 'kill-records', t)
  })
})
