import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import type { Cluster } from './cluster-port.ts'
import type { ArtifactCache } from './disk.ts'
import type { PullerKeys } from './keys.ts'
import type { PolicySet } from './observe.ts'
import type { Registries } from './registries.ts'

/** What every reconcile of this puller works with. Made once, by puller.ts. */
export type Site = {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly keys: PullerKeys
  readonly cache: ArtifactCache
  readonly cacheBytesMax: number
  readonly registries: Registries
  /** As the watch has them now. */
  readonly policies: () => PolicySet
  /** The puller's own namespace. */
  readonly namespace: string
  readonly waitTimeoutMs: number
  readonly log: Logger
}
