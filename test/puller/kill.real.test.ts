import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import { PULLER_NAMESPACE } from './installed.ts'
import { killHarness, type Scenario, type Subject } from './kill-harness.ts'
import { configMap, release } from './release-fixture.ts'
import { startWorld, type World } from './world.ts'

/**
 * Kills the puller, a process of its own, before or after each of its writes in turn, starts it again, and compares with
 * a run that nobody killed: the same objects, the same records, nothing lost, nothing foreign touched.
 */

const service = (name: string, port: number): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port }] },
})

let world: World
let harness: ReturnType<typeof killHarness>
let scenarios: readonly Scenario[]

before(async () => {
  world = await startWorld()
  harness = killHarness(world, 'kill/shop')
  const { repository, store } = harness
  const first = store(
    release(repository, '1', [configMap('settings', { a: '1' }), configMap('old', {}), service('web', 80)]),
  )
  const second = store(
    release(repository, '2', [configMap('settings', { a: '2' }), configMap('new', {}), service('web', 81)]),
  )
  scenarios = [
    { name: 'a first apply', before: [], wish: { release: first, by: 'digest' } },
    { name: 'an update with prune', before: [first], wish: { release: second, by: 'channel' } },
    { name: 'an update to a higher version', before: [first], wish: { release: second, by: 'version' } },
    { name: 'a rollback', before: [first, second], wish: { hold: first } },
    { name: 'a repair of drift', before: [first], wish: 'drift' },
  ]
  await harness.trust()
})
after(async () => {
  await world?.stop()
  harness?.close()
})

describe('a puller that is killed at any of its writes and started again', () => {
  test('gets there from its very first start, though it dies after each single write, and keeps one key', async () => {
    const { prepare, runChild, runKilled, stateOf, assertClean } = harness
    const [scenario] = scenarios
    assert.ok(scenario)
    const subject: Subject = { namespace: 'kill-first-start', at: { write: 1, when: 'after' } }
    await prepare(scenario, [subject])
    assert.equal((await runChild({ ...subject, at: { write: 1, when: 'before' } })).killed, true)
    const writes: string[] = []
    for (let run = await runChild(subject); run.killed; run = await runChild(subject)) {
      writes.push(...run.writes)
      assert.ok(writes.length < 40, writes.join('\n'))
    }
    const keys = `POST /api/v1/namespaces/${PULLER_NAMESPACE}`
    assert.deepEqual(new Set(writes.slice(0, 2)), new Set([`${keys}/secrets`, `${keys}/configmaps`]))
    const reference: Subject = { namespace: 'kill-first-reference', at: undefined }
    await prepare(scenario, [reference])
    await runKilled(reference)
    assert.deepEqual(await stateOf(subject.namespace), await stateOf(reference.namespace))
    await assertClean(subject.namespace)
  })

  for (const [index, name] of [
    'a first apply',
    'an update with prune',
    'an update to a higher version',
    'a rollback',
    'a repair of drift',
  ].entries())
    test(`converges during ${name}, loses nothing, and says nothing twice`, { timeout: 400_000 }, async (t) => {
      const scenario = scenarios[index]
      assert.equal(scenario?.name, name)
      if (scenario === undefined) return
      await harness.killAtEachWrite(scenario, `kill-${index}`, t)
    })
})
