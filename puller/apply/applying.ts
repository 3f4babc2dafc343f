import type { ErrorCode } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { InventoryEntry } from '../kinds.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { SchemaCheck } from '../plan/schema-check.ts'

/** What became of one object. */
export type Outcome = {
  readonly object: string
  readonly result: 'created' | 'configured' | 'adopted' | 'unchanged' | 'deleted' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly message?: string
}

/** The inventory as it is being made true; entries by `objectKey`. */
export type Book = Map<string, InventoryEntry>

/** All that a stage needs. */
export type Applying = {
  readonly context: PlanContext
  readonly cluster: Cluster
  readonly clock: Clock
  readonly schemas: SchemaCheck
  readonly signal: AbortSignal | undefined
  readonly book: Book
}
