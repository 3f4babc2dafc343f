import { compare, Range } from 'semver'
import { isVersion } from '../../contract/reference.ts'

/** What a range may be written with, and how long it may be; the CRD holds both as well. */
export const RANGE_PATTERN = '^[0-9A-Za-z.*^~<>=| -]+$'
export const RANGE_CHARS_MAX = 256

/** npm's grammar (node-semver 7): `>=1.4 <2`, `^1.4`, `~1.4.2`, `1.x`, `1.4 - 1.6`, `1 || 3`. */
export function isVersionRange(text: string): boolean {
  if (text.length > RANGE_CHARS_MAX || !new RegExp(RANGE_PATTERN).test(text)) return false
  try {
    return new Range(text).range !== '<0.0.0-0'
  } catch {
    return false
  }
}

/**
 * The highest version among tags that satisfies the range; other tags are passed over. A prerelease only satisfies a range that names one
 * of the same major, minor and patch.
 */
export function highestVersion(tags: readonly string[], range: string): string | undefined {
  // Read once: whoever may push decides how many tags there are.
  const wanted = new Range(range)
  return tags
    .filter((tag) => isVersion(tag) && wanted.test(tag))
    .reduce<string | undefined>((highest, tag) => (isLower(highest, tag) ? tag : highest), undefined)
}

/** By the precedence of Semantic Versioning 2.0.0. Nothing is lower than any. */
export function isLower(version: string | undefined, than: string): boolean {
  return version === undefined || compare(version, than) < 0
}
