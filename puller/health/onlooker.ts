import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Account } from '../plan/plan-context.ts'
import type { WatchGroup } from './follow.ts'

/** Is shown whole objects by a watch that begins: what exists, up to `listed`, and what changes then. */
export type Onlooker = {
  seen(object: JsonObject): void
  gone(object: JsonObject): void
  listed(): void
  /** It is shown nothing any more. */
  over(): void
}

/**
 * Begins the watch that will follow these objects for drift, and lets health look on: one request for both. False where it runs already and
 * shows no whole objects: health then watches by itself.
 */
export type LookOn = (
  account: Account,
  group: Pick<WatchGroup, 'resource' | 'namespace'>,
  onlooker: Onlooker,
) => boolean
