import { WaybillError } from '../contract/errors.ts'
import type { NamedRecord } from './record.ts'

/** One line of `waybill history`. */
export type HistoryRow = {
  readonly sequence: number
  readonly kind: string
  readonly digest?: string
  readonly version?: string
  readonly revision?: string
  readonly trigger: string
  readonly by?: string
  readonly reason?: string
  readonly changes?: number
  readonly error?: string
  readonly startedAt: string
  readonly finishedAt?: string
  readonly name: string
}

/** Newest first. */
export function historyRows(_records: readonly NamedRecord[]): HistoryRow[] {
  throw new WaybillError('INTERNAL', 'not built yet')
}
