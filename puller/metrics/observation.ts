import type { ErrorCode } from '../../contract/errors.ts'
import type { Clock } from '../clock.ts'
import type { DeliveryStatus, RecordSpec } from '../kinds.ts'

export type Stage = 'observe' | 'resolve' | 'verify' | 'fetch' | 'plan' | 'apply' | 'wait' | 'record'

export type RegistryOperation = 'resolve-tag' | 'list-tags' | 'manifest' | 'bundles' | 'blob'

/** One thing that happened while the puller worked. Holds no secret, and nothing that only one object has, but for a Delivery's own name. */
export type Observation =
  | { readonly kind: 'stage'; readonly stage: Stage; readonly seconds: number }
  | { readonly kind: 'look'; readonly ready: 'True' | 'False' | 'Unknown'; readonly seconds: number }
  | { readonly kind: 'verification'; readonly code: ErrorCode | 'OK' }
  /** `status` 0: no answer. */
  | {
      readonly kind: 'api-request'
      readonly method: string
      readonly path: string
      readonly status: number
      readonly seconds: number
    }
  | {
      readonly kind: 'registry-request'
      readonly operation: RegistryOperation
      readonly code: ErrorCode | 'OK'
      readonly seconds: number
    }
  | { readonly kind: 'record'; readonly record: RecordSpec }
  | { readonly kind: 'delivery'; readonly id: string; readonly status: DeliveryStatus }
  | { readonly kind: 'delivery-gone'; readonly id: string }
  | { readonly kind: 'event'; readonly result: 'created' | 'repeated' | 'known' | 'failed' | 'dropped' }
  | {
      readonly kind: 'notification'
      readonly type: 'slack' | 'cloudevents'
      readonly result: 'delivered' | 'failed' | 'refused'
    }
  | { readonly kind: 'hook'; readonly form: string; readonly status: number }
  | { readonly kind: 'keys-loaded' }
  | { readonly kind: 'watches-listed' }
  | { readonly kind: 'leadership'; readonly leads: boolean }

/** Takes note; never throws, and decides nothing. */
export type Observer = (seen: Observation) => void

type Watched = { readonly clock?: Pick<Clock, 'nowMs'> | undefined; readonly observe?: Observer | undefined }

/** Does the work, and tells how long it took, whether or not it failed. */
export async function timed<T>({ clock, observe }: Watched, stage: Stage, work: () => Promise<T>): Promise<T> {
  if (clock === undefined || observe === undefined) return work()
  const startMs = clock.nowMs()
  try {
    return await work()
  } finally {
    observe({ kind: 'stage', stage, seconds: secondsSince(clock, startMs) })
  }
}

/** Not below 0, should the clock be set back meanwhile. */
export function secondsSince(clock: Pick<Clock, 'nowMs'>, startMs: number): number {
  return Math.max(0, clock.nowMs() - startMs) / 1000
}
