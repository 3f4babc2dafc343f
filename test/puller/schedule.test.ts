import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSchedule, isTimeZone, nextTimeMs } from '../../puller/schedule.ts'

/** The next `count` times after one. */
function times(expression: string, timeZone: string, after: string, count: number): string[] {
  const found: string[] = []
  for (let ms = Date.parse(after); found.length < count; ) {
    ms = nextTimeMs({ expression, timeZone }, ms)
    found.push(new Date(ms).toISOString().slice(0, 16))
  }
  return found
}

test('times come in the zone that is said, on the days that are said, and never twice', () => {
  const weekdays = times('0 6 * * 1-5', 'UTC', '2026-11-20T05:59:59Z', 2)
  assert.deepEqual(weekdays, ['2026-11-20T06:00', '2026-11-23T06:00'])
  assert.deepEqual(times('0 6 * * MON-FRI', 'UTC', '2026-11-20T06:00:00Z', 1), ['2026-11-23T06:00'])
  assert.deepEqual(times('30 22 * * 7', 'Asia/Kolkata', '2026-11-20T00:00:00Z', 1), ['2026-11-22T17:00'])
  const either = times('0 0 13 * 5', 'UTC', '2026-12-11T12:00:00Z', 2)
  assert.deepEqual(
    either,
    ['2026-12-13T00:00', '2026-12-18T00:00'],
    'a day of the month or of the week, as crontab has it',
  )
})

test('a time that the clocks leave out in spring comes when they have been set', () => {
  const nightly = times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 3)
  assert.deepEqual(nightly, ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'])
  const twice = times('0,30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)
  assert.deepEqual(twice, ['2026-03-29T01:00', '2026-03-30T00:00'])
})

test('a time that the clocks repeat in autumn comes once, and an hourly one with every hour that passes', () => {
  const nightly = times('30 2 * * *', 'Europe/Berlin', '2026-10-24T00:00:00Z', 3)
  assert.deepEqual(nightly, ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'])
  const hourly = times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 3)
  assert.deepEqual(hourly, ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'])
})

test('what has no next time, and what crontab does not know, is no schedule', () => {
  for (const text of ['0 6 * * 1-5', '*/15 8-18 * * *', '0 0 29 2 *', '0 6 1 jan,JUL *', '5,35 * * * 0'])
    assert.ok(isSchedule(text), text)
  const wrong = [
    '',
    '* * * *',
    '* * * * * *',
    '@daily',
    '0 25 * * *',
    '*/0 * * * *',
    '5-1 * * * *',
    '0 6 * * foo',
    '0 6 L * *',
    '? * * * *',
    '0 0 31 2 *',
    'CRON_TZ=UTC 0 6 * * *',
    '0 6 * * 1#2',
    '0  6 * * *',
    '0 6 * * *\n',
  ]
  for (const text of wrong) assert.ok(!isSchedule(text), text)
})

test('time zones have IANA names', () => {
  for (const name of ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+2'])
    assert.ok(isTimeZone(name), name)
  for (const name of ['', 'Mars/Olympus', '+02:00', 'Europe/Berlin\n', '../etc']) assert.ok(!isTimeZone(name), name)
})
