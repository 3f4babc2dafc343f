import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '../../contract/errors.ts'
import { firstLook } from '../../puller/first-look.ts'
import { FakeClock } from './fake-clock.ts'

function world(patience: boolean, code: 'CLUSTER_FORBIDDEN' | 'CLUSTER_AUTH' = 'CLUSTER_FORBIDDEN') {
  const clock = new FakeClock()
  const state = { reads: 0, warnings: 0, forbiddenUntilMs: Number.POSITIVE_INFINITY }
  const read = async () => {
    state.reads += 1
    if (clock.monotonicMs() < state.forbiddenUntilMs) throw new WaybillError(code, 'deliveries: no')
  }
  const log = {
    warn: () => {
      state.warnings += 1
    },
  }
  const end = new AbortController()
  return { clock, state, end, over: () => firstLook(read, { clock, signal: end.signal, patience, log }) }
}

test('a puller that starts with its API server outlives the moment in which everything is forbidden, and says so once', async () => {
  const { clock, state, over } = world(true)
  state.forbiddenUntilMs = 30_000
  const looked = over()
  await clock.runUntil(60_000)
  await looked
  assert.equal(state.warnings, 1)
  assert.ok(state.reads > 10)
})

test('what is still forbidden after a minute ends it', async () => {
  const { clock, over } = world(true)
  const looked = assert.rejects(over(), { code: 'CLUSTER_FORBIDDEN' })
  await clock.runUntil(70_000)
  await looked
})

test('with --once or a kubeconfig, and for any other fault, it ends at once', async () => {
  for (const [patience, code] of [
    [false, 'CLUSTER_FORBIDDEN'],
    [true, 'CLUSTER_AUTH'],
  ] as const) {
    const { state, over } = world(patience, code)
    await assert.rejects(over(), { code })
    assert.equal(state.reads, 1)
  }
})

test('a puller that is asked to stop meanwhile does', async () => {
  const { clock, state, end, over } = world(true)
  const looked = assert.rejects(over())
  await clock.runUntil(4_000)
  end.abort()
  await looked
  assert.ok(state.reads <= 4)
})
