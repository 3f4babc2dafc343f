import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { RecordHead } from './ledger.ts'
import type { NamedRecord } from './record.ts'

export type AuditFaultKind = 'edited' | 'removed' | 'reordered' | 'recomputed' | 'truncated' | 'foreign'
export type AuditFault = {
  readonly kind: AuditFaultKind
  readonly sequence?: number
  readonly name?: string
  readonly message: string
}
export type AuditHead = { readonly sequence: number; readonly hash: Digest }
/** Heads that the chain is held against: the ConfigMap's, the Delivery status's, and one that the auditor kept. */
export type AuditHeads = { readonly configMap?: AuditHead; readonly status?: AuditHead; readonly given?: AuditHead }
export type AuditReport = {
  readonly ok: boolean
  readonly records: number
  readonly faults: readonly AuditFault[]
  readonly head?: RecordHead
}

/** Holds a chain of records against itself, the heads, and the public half of the puller's key. Pure. */
export function auditChain(_records: readonly NamedRecord[], _heads: AuditHeads, _publicPem: string): AuditReport {
  throw new WaybillError('INTERNAL', 'not built yet')
}
