import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'
import type { Change, ChangeList } from './kinds.ts'

/** A DeliveryRecord as it was found, believed or not. */
export type NamedRecord = { readonly name: string; readonly namespace: string; readonly spec: unknown }

/** Every DeliveryRecord that is labelled with this Delivery's uid, by name. Nothing is checked: audit and ledger do that. */
export async function listRecords(
  _cluster: Cluster,
  _delivery: { readonly namespace: string; readonly uid: string },
): Promise<NamedRecord[]> {
  throw new WaybillError('INTERNAL', 'not built yet')
}

/** Bounds a list of changes for a record: total, digest of the canonical whole list, at most LIMITS.recordChangesMax listed. */
export function changeList(_changes: readonly Change[]): ChangeList {
  throw new WaybillError('INTERNAL', 'not built yet')
}
