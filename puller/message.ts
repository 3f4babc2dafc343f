import { type ErrorCode, WaybillError } from '../contract/errors.ts'
import { LIMITS } from '../contract/limits.ts'

/** An error as records and statuses say it. */
export type Said = { readonly code: ErrorCode; readonly message: string }

/**
 * What may be said of an error where others read it: a WaybillError's own words, bounded and without what looks like a
 * credential; of anything else no more than that it happened (the log has the rest).
 */
export function sayError(error: unknown): Said {
  if (error instanceof WaybillError) return { code: error.code, message: boundedMessage(error.message) }
  return { code: 'INTERNAL', message: 'an unexpected fault; the puller’s log says more' }
}

/** One line, at most `charsMax` characters, with user information, bearer tokens and signed query strings taken out. */
export function boundedMessage(text: string, charsMax: number = LIMITS.messageCharsMax): string {
  const line = text
    .replace(/(\w+:\/\/)[^\s/@]+@/g, '$1***@')
    .replace(/\b(bearer|basic)\s+[\w+/=.~-]+/gi, '$1 ***')
    .replace(/(https?:\/\/[^\s?]+)\?[^\s]*/g, '$1?***')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is taken out
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
  return line.length <= charsMax ? line : `${line.slice(0, charsMax - 1)}…`
}
