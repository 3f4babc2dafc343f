import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { app, job } from './apps.ts'
import { killHarness, type Scenario } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/** As kill.real.test.ts does, for waves and migrations. */
let world: World
let harness: ReturnType<typeof killHarness>
before(async () => {
  world = await startWorld({ controllers: true, pods: true })
  harness = killHarness(world, 'kill-waves/shop')
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

test('a puller that is killed at any write of a release in waves converges, and migrates once', async (t) => {
  const [first, second] = [ordered('1', 'a'), ordered('2', 'b')]
  const scenario: Scenario = { name: 'waves', before: [first], wish: { release: second, by: 'channel' } }
  const mark = await world.plane.auditMark()
  await harness.killAtEachWrite(scenario, 'kill-waves', t)
  const ran = new Map<string, number>()
  for (const { verb, requestURI, objectRef, responseStatus } of await world.plane.auditSince(mark)) {
    const namespace = objectRef?.namespace ?? ''
    const isRun = objectRef?.resource === 'jobs' && verb === 'patch' && responseStatus?.code === 201
    if (!isRun || requestURI.includes('dryRun') || !namespace.startsWith('kill-waves-')) continue
    ran.set(namespace, (ran.get(namespace) ?? 0) + 1)
  }
  assert.deepEqual(
    [...ran].filter(([, times]) => times !== 2),
    [],
    'once for each of the two releases',
  )
  assert.ok(ran.size > 10)
})
