import type { ExitStatus, WaybillError } from '../contract/errors.ts'

/** Exit statuses of the command line. Errors carry theirs (contract/errors.ts); `differ` is an answer, not an error. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, timedOut: 4, differ: 5 } as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

export function exitOf(error: WaybillError): ExitStatus {
  return error.exit
}
