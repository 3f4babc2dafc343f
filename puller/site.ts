import type { Logger } from 'pino'
import type { JsonObject } from '../contract/canonical-json.ts'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster/cluster-port.ts'
import type { Observer } from './metrics/observation.ts'
import type { PolicySet } from './observe.ts'
import type { FirstRecords } from './records/first-records.ts'
import type { HeadKeeper } from './records/head-keeper.ts'
import type { PullerKeys } from './records/keys.ts'
import type { Outside } from './say/outside.ts'
import type { ArtifactCache } from './source/disk.ts'
import type { Registries } from './source/registries.ts'

/** What every reconcile of this puller works with. Made once, by puller.ts. */
export type Site = {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly keys: PullerKeys
  /** Of the chains of all Deliveries. */
  readonly heads: HeadKeeper
  readonly cache: ArtifactCache
  readonly cacheBytesMax: number
  readonly registries: Registries
  /** As the watch has them now. */
  readonly policies: () => PolicySet
  /** Every Delivery of the cluster, as the watch has it now; absent where nothing is followed. */
  readonly deliveries?: () => readonly JsonObject[]
  /** Records of Deliveries that were there at the start and have none that anybody knows of. */
  readonly firstRecords?: FirstRecords
  /** The puller's own namespace. */
  readonly namespace: string
  readonly waitTimeoutMs: number
  /** Where `install --guard` denies changes by hand: an annotation says why one was made all the same. */
  readonly guard?: boolean
  readonly log: Logger
  /** Takes note of what happens, for metrics and readiness. */
  readonly observe?: Observer
  /** Events and notifications. */
  readonly outside?: Outside
}
