import { isJsonObject } from '../../contract/canonical-json.ts'
import type { WatchEvent } from './cluster-port.ts'

/** A watch that tells first what exists, as of now, says where that ends, and goes on: a list and a watch in one request. */
export const INITIAL_EVENTS = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } as const

/** How a server answers that does not know INITIAL_EVENTS. */
export function isNotStreamed(code: unknown): boolean {
  return code === 400 || code === 422
}

/** The bookmark behind what existed. */
export function isEndOfList({ type, object: { metadata } }: WatchEvent): boolean {
  const annotations = isJsonObject(metadata) ? metadata.annotations : undefined
  return type === 'BOOKMARK' && isJsonObject(annotations) && annotations['k8s.io/initial-events-end'] === 'true'
}
