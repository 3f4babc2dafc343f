import type { Command } from 'commander'
import { WaybillError } from '../contract/errors.ts'
import { durationMs, type Flags } from './flags.ts'

/** For verbs whose effect may end by itself. */
export function endFlags(command: Command): Command {
  return command
    .option('--until <time>', 'when it ends by itself, such as 2026-11-21T18:00:00Z')
    .option('--for <duration>', 'how long, such as 30m or 48h, in place of --until', durationMs)
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/

/** The end that was asked for, in UTC and whole seconds; undefined: none. @throws WaybillError USAGE for both, for no time, and for one that is over */
export function endOf(flags: Flags, now: Date): string | undefined {
  const [until, forMs] = [flags.text('until'), flags.number('for')]
  if (until === undefined && forMs === undefined) return undefined
  if (until !== undefined && forMs !== undefined) throw new WaybillError('USAGE', 'one of --until and --for is enough')
  const ms = until === undefined ? now.getTime() + (forMs ?? 0) : RFC_3339.test(until) ? Date.parse(until) : Number.NaN
  if (Number.isNaN(ms))
    throw new WaybillError('USAGE', `--until ${until} is no time`, {
      hint: 'Write a time with its zone, such as 2026-11-21T18:00:00Z or 2026-11-21T19:00:00+01:00.',
    })
  if (ms <= now.getTime()) throw new WaybillError('USAGE', `--until ${until} is over already`)
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
