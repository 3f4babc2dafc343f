import { PackageURL } from 'packageurl-js'
import type { Digest } from '../digest.ts'
import { packageUrl } from './statements.ts'

/**
 * True when `text` names the package of `repository`, or, with a digest, that artifact of it. Compared part by part, so
 * that another spelling of the same package URL (encoding, order) is the same; never throws.
 */
export function packageUrlNames(text: string, repository: string, digest?: Digest): boolean {
  const found = partsOf(text)
  return found !== undefined && found === partsOf(packageUrl(repository, digest))
}

function partsOf(text: string): string | undefined {
  if (text.length > 2048) return undefined
  try {
    const { type, namespace, name, version, qualifiers, subpath } = PackageURL.fromString(text)
    const sorted = Object.entries(qualifiers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify([type, namespace ?? '', name, version ?? '', sorted, subpath ?? ''])
  } catch {
    return undefined
  }
}
