import { isJsonObject } from '../../contract/canonical-json.ts'

/** metadata.resourceVersion that a list, a bookmark or an object carries; '' where it has none. */
export function resourceVersionOf({ metadata }: { readonly metadata?: unknown }): string {
  const version = isJsonObject(metadata) ? metadata.resourceVersion : undefined
  return typeof version === 'string' ? version : ''
}

/** The same as a number; 0 where it has none. Versions of one resource can be compared (Kubernetes 1.35 promises what was always so). */
export function versionOf(object: { readonly metadata?: unknown }): number {
  const version = Number(resourceVersionOf(object))
  return Number.isSafeInteger(version) ? version : 0
}
