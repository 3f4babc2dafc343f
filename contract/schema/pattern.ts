import { RE2JS } from 're2js'

/**
 * A pattern of a schema, as the API server matches it: RE2, in time linear in the text, whoever wrote the pattern. Undefined for what is none.
 */
export function patternOf(text: string): RE2JS | undefined {
  try {
    return RE2JS.compile(text)
  } catch {
    return undefined
  }
}
