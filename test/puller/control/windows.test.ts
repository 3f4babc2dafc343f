import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { durationMs } from '../../../puller/clock.ts'
import { type ReleaseWindow, windowStateAt } from '../../../puller/control/windows.ts'
import { nextTimeMs } from '../../../puller/schedule.ts'

const at = (text: string) => Date.parse(text)
const text = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16))
const window = (kind: ReleaseWindow['kind'], start: string, duration: string, timeZone = 'UTC'): ReleaseWindow => ({
  kind,
  start,
  duration,
  timeZone,
})
/** `open until 2026-…`, `closed until 2026-…` */
function state(windows: readonly ReleaseWindow[], now: string): string {
  const { open, changesAtMs } = windowStateAt(windows, at(now))
  return `${open ? 'open' : 'closed'} until ${text(changesAtMs) ?? 'nothing'}`
}

const office = window('allow', '0 8 * * 1-5', '8h')

test('an allow window is open from its start, which belongs to it, until its duration is over, which does not', () => {
  assert.equal(state([office], '2026-11-20T07:59:59Z'), 'closed until 2026-11-20T08:00')
  assert.equal(state([office], '2026-11-20T08:00:00Z'), 'open until 2026-11-20T16:00')
  assert.equal(state([office], '2026-11-20T15:59:59Z'), 'open until 2026-11-20T16:00')
  assert.equal(state([office], '2026-11-20T16:00:00Z'), 'closed until 2026-11-23T08:00')
})

test('with deny windows alone everything else is open, and a deny window wins over an allow window', () => {
  const freeze = window('deny', '0 12 20 12 *', '400h')
  assert.equal(state([freeze], '2026-12-01T00:00:00Z'), 'open until 2026-12-20T12:00')
  assert.equal(state([freeze], '2026-12-24T00:00:00Z'), 'closed until 2027-01-06T04:00')
  assert.equal(state([office, freeze], '2026-12-24T09:00:00Z'), 'closed until 2027-01-06T08:00')
  const lunch = window('deny', '0 12 * * *', '1h')
  assert.equal(state([office, lunch], '2026-11-20T09:00:00Z'), 'open until 2026-11-20T12:00')
  assert.equal(state([office, lunch], '2026-11-20T12:30:00Z'), 'closed until 2026-11-20T13:00')
})

test('windows that overlap are one, and one that is longer than its period never ends', () => {
  const late = window('allow', '0 15 * * 1-5', '3h')
  assert.equal(state([office, late], '2026-11-20T14:00:00Z'), 'open until 2026-11-20T18:00')
  assert.equal(state([window('allow', '0 0 * * *', '25h')], '2026-11-20T14:00:00Z'), 'open until nothing')
  assert.equal(state([window('deny', '0 0 * * *', '24h')], '2026-11-20T14:00:00Z'), 'closed until nothing')
  const { lookAtMs } = windowStateAt([window('deny', '0 0 * * *', '24h')], at('2026-11-20T14:00:00Z'))
  assert.ok(lookAtMs !== undefined && lookAtMs > at('2026-11-21T00:00:00Z'), 'it is looked at again now and then')
})

test('a window starts by the clocks of its time zone and lasts in elapsed time, over the nights when they are changed', () => {
  const night = window('allow', '0 1 * * *', '4h', 'Europe/Berlin')
  // Clocks go from 2:00 to 3:00 on 2026-03-29: it ends at 6:00 by them.
  assert.equal(state([night], '2026-03-29T00:30:00Z'), 'open until 2026-03-29T04:00')
  // And from 3:00 back to 2:00 on 2026-10-25: it ends at 4:00.
  assert.equal(state([night], '2026-10-24T23:30:00Z'), 'open until 2026-10-25T03:00')
  assert.equal(state([night], '2026-10-25T12:00:00Z'), 'closed until 2026-10-26T00:00')
})

test('many windows that never open are looked through in bounded time', () => {
  const windows = Array.from({ length: 32 }, () => window('deny', '* * * * *', '999999h'))
  const { open, changesAtMs } = windowStateAt(windows, at('2026-11-20T14:00:00Z'))
  assert.deepEqual([open, changesAtMs], [false, undefined])
})

const windows = fc.array(
  fc.record({
    kind: fc.constantFrom('allow' as const, 'deny' as const),
    start: fc
      .tuple(
        fc.constantFrom('0', '30', '*/20'),
        fc.constantFrom('*/6', '2', '23', '8-12'),
        fc.constantFrom('*', '1-5', '0'),
      )
      .map(([minute, hour, day]) => `${minute} ${hour} * * ${day}`),
    duration: fc.constantFrom('10m', '45m', '3h', '7h', '30h'),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York'),
  }),
  { minLength: 1, maxLength: 4 },
)
/** Around both nights of 2026 when clocks are changed in Europe, and an ordinary day. */
const moments = fc
  .tuple(fc.constantFrom('2026-03-28', '2026-10-24', '2026-07-01'), fc.integer({ min: 0, max: 3 * 24 * 60 }))
  .map(([day, minutes]) => at(`${day}T00:00:00Z`) + minutes * 60_000)

/** By the definition alone: is there a start from which the window lasts beyond this moment? */
function openBySearch(all: readonly ReleaseWindow[], ms: number): boolean {
  const holds = (one: ReleaseWindow) => {
    let start = nextTimeMs({ expression: one.start, timeZone: one.timeZone }, ms - 9 * 24 * 3_600_000)
    for (; start <= ms; start = nextTimeMs({ expression: one.start, timeZone: one.timeZone }, start))
      if (start + durationMs(one.duration) > ms) return true
    return false
  }
  const allows = all.filter(({ kind }) => kind === 'allow')
  return !all.some((one) => one.kind === 'deny' && holds(one)) && (allows.length === 0 || allows.some(holds))
}

test('whatever the windows are: what is said of now holds until the time that is named, and changes at it', () => {
  fc.assert(
    fc.property(windows, moments, (all, now) => {
      const { open, changesAtMs } = windowStateAt(all, now)
      assert.equal(open, openBySearch(all, now))
      if (changesAtMs === undefined) return
      assert.ok(changesAtMs > now)
      assert.equal(openBySearch(all, changesAtMs), !open)
      assert.equal(openBySearch(all, changesAtMs - 1), open)
      for (const part of [0.2, 0.5, 0.8]) {
        const between: number = now + Math.floor((changesAtMs - now) * part)
        assert.equal(openBySearch(all, between), open, new Date(between).toISOString())
      }
    }),
    { numRuns: 60 },
  )
})

test('the more windows there are, the fewer of their ends are looked at for the next change', () => {
  const now = at('2026-11-20T14:00:00Z')
  const look = (count: number) =>
    windowStateAt(
      Array.from({ length: count }, () => window('deny', '* * * * *', '999999h')),
      now,
    ).lookAtMs ?? 0
  assert.equal(look(1), now + 256 * 60_000)
  assert.equal(look(32), now + 8 * 60_000)
})
