import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recorded } from './recorder.ts'
import { inFlightMax, scoreOf } from './replay.ts'

const from = (path: string, startedMs: number, endedMs: number): Recorded => ({
  method: 'GET',
  path,
  contentType: undefined,
  as: undefined,
  body: '',
  startedMs,
  endedMs,
  status: 200,
})
const recorded = [from('/a', 0, 2), from('/b', 2, 9), from('/c', 3, 5), from('/d', 6, 8), from('/e', 9, 10)]

test('what was in flight together is sent together, and what waited for it waits again', () => {
  const paths = scoreOf(recorded).map((together) => together.map(({ path }) => path).join(' '))
  assert.deepEqual(paths, ['/a', '/b /c /d', '/e'])
})

test('as many are in flight as there were at the most', () => {
  assert.equal(inFlightMax(recorded), 2)
  assert.equal(inFlightMax(recorded.slice(0, 2)), 1)
})
