import { after, before, test } from 'node:test'
import { app } from './apps.ts'
import { killHarness, type Scenario } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/** As kill.real.test.ts does, for an adoption. */
let world: World
let harness: ReturnType<typeof killHarness>
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
  harness = killHarness(world, 'kill-adoption/shop')
  await harness.trust()
})
after(async () => {
  await world?.stop()
  harness?.close()
})

test('a puller that is killed at any write of an adoption converges, and takes the fields over once', async (t) => {
  const packed = harness.store(release(harness.repository, 'adopted', [configMap('settings', { a: '1' }), app('web')]))
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
