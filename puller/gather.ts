import { WaybillError } from '../contract/errors.ts'
import type { KubeObject } from '../contract/objects.ts'
import type { Cluster } from './cluster-port.ts'
import type { DesiredObject } from './desired.ts'
import type { Inventory } from './inventory.ts'
import type { InventoryEntry } from './kinds.ts'
import type { PlanContext } from './plan-context.ts'
import type { Refusal } from './refusal.ts'

/** What the cluster said of one desired object. */
export type Looked = {
  readonly desired: DesiredObject
  /** As it is; undefined: there is none, or it cannot be looked at yet. */
  readonly live: KubeObject | undefined
  /** As it would be after our apply; undefined: not asked, refused, or deferred. */
  readonly dryRun: KubeObject | undefined
  /** Why the dry run has to wait for its stage. */
  readonly deferred?: 'namespace' | 'kind' | 'role' | 'reference'
  /** The server, an access review or a schema refuses it. */
  readonly refusal?: Refusal
  /** Its API does not answer: neither yes nor no. */
  readonly failure?: Refusal
  /** The other Delivery that owns it, where one does. */
  readonly otherDelivery?: string
}

/** What the cluster said of one entry that is no longer desired. */
export type LookedEntry = {
  readonly entry: InventoryEntry
  readonly key: string
  readonly live: KubeObject | undefined
  readonly path: string | undefined
  readonly refusal?: Refusal
  readonly failure?: Refusal
}

/** Everything that planning rests on. Plain data. */
export type Gathered = {
  readonly objects: readonly Looked[]
  readonly leftovers: readonly LookedEntry[]
}

/**
 * Looks, as the account, and writes nothing: for each object GET and a server dry run, access reviews and schemas for
 * what cannot be dry-run yet; for each entry that is no longer desired GET and a dry-run delete.
 * @throws WaybillError CLUSTER_UNREACHABLE, CLUSTER_AUTH; what concerns one object is data
 */
export async function gather(
  _context: PlanContext,
  _objects: readonly KubeObject[],
  _inventory: Inventory,
  _cluster: Cluster,
  _options: { readonly signal?: AbortSignal } = {},
): Promise<Gathered> {
  throw new WaybillError('INTERNAL', 'not yet')
}
