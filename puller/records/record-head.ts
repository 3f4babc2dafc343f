import type { Digest } from '../../contract/digest.ts'

/** Where a chain of records ends. `hash` is sha256 of the canonical JSON of the whole spec. */
export type RecordHead = { readonly name: string; readonly sequence: number; readonly hash: Digest }

export type DeliveryRef = { readonly namespace: string; readonly name: string; readonly uid: string }
