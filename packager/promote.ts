import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { Reference } from '../contract/reference.ts'
import type { RegistryReader } from '../contract/registry.ts'
import type { TrustPolicy } from '../contract/trust-policy.ts'
import type { SigningKey } from './keys.ts'
import type { RegistryWriter } from './registry-writer.ts'

export type PromoteOptions = {
  readonly writer: RegistryWriter
  readonly reader: RegistryReader
  readonly channel: string
  readonly key: SigningKey
  /** What the release must satisfy before it is promoted; default: signed by `key`. */
  readonly policies?: readonly TrustPolicy[]
  readonly reason?: string
  readonly now: Date
  readonly onStep?: (step: string) => void
}

export type Promoted = {
  readonly reference: string
  readonly channel: string
  readonly digest: Digest
  readonly sequence: number
  readonly previous?: Digest
  /** False when the channel was there already. */
  readonly changed: boolean
}

/**
 * Points a channel at a published release (`repository:version` or `repository@digest`): a signed promotion first, the tag last.
 * @throws WaybillError NOT_PUBLISHED, PROMOTION_CONFLICT, CHANNEL_INVALID, READ_BACK_FAILED, REGISTRY_*
 */
export async function promote(_reference: Reference, _options: PromoteOptions): Promise<Promoted> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
