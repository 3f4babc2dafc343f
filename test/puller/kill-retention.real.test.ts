import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { killHarness, type Scenario } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/** As kill.real.test.ts does, while old records go. */
let world: World
let harness: ReturnType<typeof killHarness>
before(async () => {
  world = await startWorld()
  harness = killHarness(world, 'kill-retention/shop')
  await harness.trust()
})
after(async () => {
  await world?.stop()
  harness?.close()
})

test('a puller that is killed at any write while old records go loses none of the chain', async (t) => {
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
  await harness.killAtEachWrite(scenario, 'kill-retention', t)
})
