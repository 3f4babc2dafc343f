import type { Command } from 'commander'
import type { WaybillError } from '../contract/errors.ts'
import type { Exit } from './exit.ts'
import type { Flags } from './flags.ts'

/** What a verb may know of the process. Only cli/main.ts makes one. */
export type Context = {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute: what relative paths on the command line are relative to. */
  readonly cwd: string
  /** Waybill's own version. */
  readonly version: string
  /** The time, read once. */
  readonly now: Date
  /** stdout is a terminal that shows colours, and NO_COLOR is not set. */
  readonly colour?: boolean
  /** Says something on stderr that stays; one line. */
  readonly progress: (line: string) => void
  /** Says on stderr what is being done now: on a terminal over the step before, elsewhere one line. */
  readonly step: (line: string) => void
  /** Asks the person at the terminal, yes or no; absent where there is none. */
  readonly ask?: (question: string) => Promise<boolean>
  /** Has something done, at once and without waiting, when the process ends, Ctrl-C and SIGTERM included. */
  readonly atEnd: (task: () => void) => void
  /** Aborted by Ctrl-C and SIGTERM. Only verbs with `stopsBySignal` wait for it; others are ended. */
  readonly signal: AbortSignal
}

/** What a verb has to say: `data` for --output json, `text` for people. */
export type Outcome = {
  readonly data: object
  readonly text: string
  /** When it is not 0, though nothing failed. */
  readonly exit?: Exit
  /** The verdict, where it is a refusal that comes with all that was found; it decides the exit status. */
  readonly error?: WaybillError
}

/** One verb: what it takes, and what it does. */
export type Verb = {
  /** Forms of --output beside text and json; what is printed for them is the outcome's text. */
  readonly forms?: readonly string[]
  /** Adds arguments, options and examples. */
  readonly define: (command: Command) => void
  readonly run: (args: readonly string[], flags: Flags, context: Context) => Promise<Outcome>
  /** Ends by itself, soon after `context.signal`. */
  readonly stopsBySignal?: true
}
