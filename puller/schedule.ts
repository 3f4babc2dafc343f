import { Cron } from 'croner'

/** Five fields, as crontab(5) has them: minute, hour, day of month, month, day of week; names of months and days in the last two. */
export const SCHEDULE_PATTERN = '^[0-9*,/-]+ [0-9*,/-]+ [0-9*,/-]+ ([0-9*,/-]|[A-Za-z]{3})+ ([0-9*,/-]|[A-Za-z]{3})+$'
export const TIME_ZONE_PATTERN = '^[A-Za-z][A-Za-z0-9_+/-]*$'

/** The last moment that a Date holds. */
const LAST_MS = 8.64e15

export type Schedule = {
  readonly expression: string
  /** IANA name. */
  readonly timeZone: string
}

/** True for an expression that has a next time. */
export function isSchedule(expression: string): boolean {
  if (!new RegExp(SCHEDULE_PATTERN).test(expression)) return false
  try {
    return cron({ expression, timeZone: 'UTC' }).nextRun(new Date(0)) !== null
  } catch {
    return false
  }
}

export function isTimeZone(name: string): boolean {
  if (!new RegExp(TIME_ZONE_PATTERN).test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * The first time of the schedule after `ms`, both in milliseconds since 1970. Pure. What the clocks leave out in spring comes when they
 * have been set; what they repeat in autumn comes once, unless a `*` in minute or hour says to go on.
 */
export function nextTimeMs(schedule: Schedule, ms: number): number {
  return cron(schedule).nextRun(new Date(ms))?.getTime() ?? LAST_MS
}

/** Reading one takes longer than asking it. */
const crons = new Map<string, Cron>()
const CRONS_MAX = 256

function cron({ expression, timeZone }: Schedule): Cron {
  const name = `${timeZone} ${expression}`
  const known = crons.get(name)
  if (known !== undefined) return known
  if (crons.size >= CRONS_MAX) crons.clear()
  const made = new Cron(expression, { timezone: timeZone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
  crons.set(name, made)
  return made
}
