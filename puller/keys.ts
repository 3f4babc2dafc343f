import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { Cluster } from './cluster-port.ts'

/** What the puller signs with, and what it proves its own creates with. */
export type PullerKeys = {
  /** Base64 of the DER signature, ECDSA P-256 with SHA-256. */
  readonly sign: (bytes: Uint8Array) => string
  /** SPKI PEM. */
  readonly publicPem: string
  /** `sha256:<hex>` of the SPKI DER. */
  readonly keyDigest: Digest
  /** 32 random bytes, for puller/claim.ts. */
  readonly claimKey: Uint8Array
}

/**
 * The puller's keys, from Secret `waybill-puller-key` in `namespace`; made at the first start.
 * @throws WaybillError RECORD_KEY when the Secret is damaged, gone, or not the one that records were signed with
 */
export async function loadPullerKeys(_cluster: Cluster, _namespace: string): Promise<PullerKeys> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
