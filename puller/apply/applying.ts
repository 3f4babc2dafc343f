import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { Cluster } from '../cluster/cluster-port.ts'
import type { Known } from '../drift/known.ts'
import type { Health, HealthNote } from '../health/wait.ts'
import type { InventoryEntry } from '../kinds.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import type { SchemaCheck } from '../plan/schema-check.ts'

/** What became of one object. */
export type Outcome = {
  readonly object: string
  readonly result: 'created' | 'configured' | 'adopted' | 'replaced' | 'unchanged' | 'deleted' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly message?: string
}

/** The inventory as it is being made true; entries by `objectKey`. */
export type Book = Map<string, InventoryEntry>

/** An object that is being deleted: exactly the one with this uid. */
export type Going = { readonly name: string; readonly path: string; readonly uid: string }

/** Waits in nobody's way, and ends early where something newer takes the place of this. */
export type Waiter = {
  /** Aborts when what is applied is to give way. */
  readonly signal: AbortSignal | undefined
  healthy(objects: readonly DesiredObject[]): Promise<Health>
  /** Our write was answered with this: it need not be waited for where that says all. */
  wrote?(desired: DesiredObject, object: KubeObject): void
  /** Which of them are still there once all are gone, or time is up. */
  gone(objects: readonly Going[]): Promise<readonly HealthNote[]>
}

/** All that a group needs. */
export type Applying = {
  readonly context: PlanContext
  readonly cluster: Cluster
  readonly clock: Clock
  readonly schemas: SchemaCheck
  readonly signal: AbortSignal | undefined
  readonly book: Book
  readonly waiter: Waiter
  readonly known?: Pick<Known, 'written'> | undefined
  /** Writes the book down, where it says something new. */
  readonly store: () => Promise<void>
}
