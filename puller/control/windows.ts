import { durationMs } from '../clock.ts'
import type { DeliverySpec } from '../kinds.ts'
import { nextTimeMs } from '../schedule.ts'

export type ReleaseWindow = NonNullable<DeliverySpec['windows']>[number]

export type WindowState = {
  /** New releases may go out. */
  readonly open: boolean
  /** When that changes, in milliseconds since 1970; absent: not as far as was looked. */
  readonly changesAtMs?: number
  /** When to look again at the latest; absent: never. */
  readonly lookAtMs?: number
}

/**
 * So many starts and ends are looked at for the next change, times windows, each of which is asked at each: nobody's windows keep the puller
 * busy for long. Who declares windows that need more is told the time later.
 */
const STEPS_MAX = 256
const STEPS_MIN = 4

/**
 * Open: inside any `allow` window, where one is declared, and outside every `deny` window. A window holds from its start, which belongs to
 * it, for its duration in elapsed time, whatever clocks are set to meanwhile; starts that come before that is over lengthen it. Pure.
 */
export function windowStateAt(windows: readonly ReleaseWindow[], nowMs: number): WindowState {
  const open = isOpenAt(windows, nowMs)
  const steps = Math.max(STEPS_MIN, Math.floor(STEPS_MAX / windows.length))
  let at = nowMs
  for (let step = 0; step < steps; step++) {
    const next = open ? mayCloseAt(windows, at) : mayOpenAt(windows, at)
    if (next === undefined) return { open }
    if (isOpenAt(windows, next) !== open) return { open, changesAtMs: next, lookAtMs: next }
    at = next
  }
  return { open, lookAtMs: at }
}

function isOpenAt(windows: readonly ReleaseWindow[], ms: number): boolean {
  const allows = windows.filter(({ kind }) => kind === 'allow')
  const denies = windows.filter(({ kind }) => kind === 'deny')
  return !denies.some((one) => holdsAt(one, ms)) && (allows.length === 0 || allows.some((one) => holdsAt(one, ms)))
}

/** The first start after which the window still holds at `ms`, or the first after it. */
function startFor(window: ReleaseWindow, ms: number): number {
  return nextTimeMs({ expression: window.start, timeZone: window.timeZone }, ms - durationMs(window.duration))
}

function holdsAt(window: ReleaseWindow, ms: number): boolean {
  return startFor(window, ms) <= ms
}

/** While closed: the first moment after `ms` at which what closes it may be over. */
function mayOpenAt(windows: readonly ReleaseWindow[], ms: number): number | undefined {
  const denying = windows.filter((one) => one.kind === 'deny' && holdsAt(one, ms))
  // All of them have to be over.
  if (denying.length > 0) return Math.max(...denying.map((one) => endsAt(one, ms)))
  return earliest(windows.filter(({ kind }) => kind === 'allow').map((one) => startsAfter(one, ms)))
}

/** While open: the first moment after `ms` at which it may close. */
function mayCloseAt(windows: readonly ReleaseWindow[], ms: number): number | undefined {
  const denied = windows.filter(({ kind }) => kind === 'deny').map((one) => startsAfter(one, ms))
  const allowing = windows.filter((one) => one.kind === 'allow' && holdsAt(one, ms)).map((one) => endsAt(one, ms))
  // As long as one of them allows it.
  return earliest([...denied, ...(allowing.length === 0 ? [] : [Math.max(...allowing)])])
}

/** When the earliest start that it holds by at `ms` is over. */
function endsAt(window: ReleaseWindow, ms: number): number {
  return startFor(window, ms) + durationMs(window.duration)
}

function startsAfter(window: ReleaseWindow, ms: number): number {
  return nextTimeMs({ expression: window.start, timeZone: window.timeZone }, ms)
}

function earliest(times: readonly number[]): number | undefined {
  const known = times.filter((ms) => ms < NEVER_MS)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** What nextTimeMs answers where there is no next time. */
const NEVER_MS = 8.64e15
