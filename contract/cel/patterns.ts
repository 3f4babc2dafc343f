import { RE2JS } from 're2js'

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

/** What of a text matches a pattern, from left to right, at most `max` of them (negative: all). */
export function matchesOf(pattern: RE2JS, text: string, max: number): readonly string[] {
  const matcher = pattern.matcher(text)
  const found: string[] = []
  while (found.length !== max && matcher.find()) found.push(matcher.group() ?? '')
  return found
}
