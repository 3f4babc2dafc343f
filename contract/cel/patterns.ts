import { RE2JS } from 're2js'
import { Unknown } from './values.ts'

const CACHE_MAX = 1000
const cache = new Map<string, RE2JS | string>()

/** A pattern of RE2, which is what CEL has; a text where it is none. */
export function patternOf(text: string): RE2JS | string {
  const known = cache.get(text)
  if (known !== undefined) return known
  if (cache.size >= CACHE_MAX) cache.clear()
  const made = make(text)
  cache.set(text, made)
  return made
}

export function patternProblem(text: string): string | undefined {
  const pattern = patternOf(text)
  return typeof pattern === 'string' ? pattern : undefined
}

function make(text: string): RE2JS | string {
  try {
    return RE2JS.compile(text)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Matches, times characters, times instructions: each match may have looked at all of the text. */
const STEPS_MAX = 20_000_000

/** What of a text matches a pattern, from left to right, at most `max` of them (negative: all). */
export function matchesOf(pattern: RE2JS, text: string, max: number): readonly string[] | Unknown {
  const matcher = pattern.matcher(text)
  const enough = Math.max(1, STEPS_MAX / ((text.length + 1) * pattern.programSize()))
  const found: string[] = []
  while (found.length !== max && matcher.find()) {
    if (found.length >= enough) return new Unknown('matches of that number')
    found.push(matcher.group() ?? '')
  }
  return found
}

/**
 * How many instructions a pattern has at most, more or less: repetitions are written out when it is compiled. Counts what is quoted as
 * well, and what is no pattern.
 */
export function patternSize(text: string): number {
  const outer: number[] = []
  let sum = 0
  let last = 0
  for (const [token, least, most] of text.matchAll(TOKENS)) {
    if (token === '(') {
      outer.push(sum)
      sum = 0
      last = 1
    } else if (token === ')') {
      last = sum + 2
      sum = (outer.pop() ?? 0) + last
    } else if (least !== undefined) {
      const times = Math.max(Number(least), Number(most || 0), 1)
      sum += last * (times - 1)
      last *= times
    } else {
      last = 1
      sum += 1
    }
  }
  return outer.reduce((total, one) => total + one, sum)
}

/** A group's ends, a repetition, a class, an escaped or any other character. */
const TOKENS = /[()]|\{(\d{1,9})(?:,(\d{0,9}))?\}|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|\\[\s\S]|[\s\S]/g
