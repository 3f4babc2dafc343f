import type { ReleaseConfig } from '../contract/artifact.ts'
import type { Digest } from '../contract/digest.ts'
import { WaybillError } from '../contract/errors.ts'
import type { RegistryReader } from '../contract/registry.ts'
import type { StatementRole } from '../contract/statements.ts'
import type { SigningKey } from './keys.ts'
import type { BuildFacts } from './provenance.ts'
import type { RegistryWriter } from './registry-writer.ts'

/** An artifact's bytes, as `pack` makes them. */
export type Publishable = {
  readonly manifestBytes: Uint8Array
  readonly configBytes: Uint8Array
  readonly layerBytes: Uint8Array
  readonly digest: Digest
  readonly release: ReleaseConfig
}

export type PublishOptions = {
  readonly writer: RegistryWriter
  readonly reader: RegistryReader
  readonly key: SigningKey
  /** `--version`. */
  readonly version?: string
  /** Git tags on the commit: of `v1.4.2` and its like the version is taken when `version` is not given. */
  readonly gitTags?: readonly string[]
  readonly channel?: string
  /** For the promotion. */
  readonly reason?: string
  readonly build: BuildFacts
  readonly now: Date
  /** Told before each step, in a few words. */
  readonly onStep?: (step: string) => void
}

export type Attestation = {
  readonly role: StatementRole
  /** Of the referrer's manifest; absent when an equal one by this key was there already. */
  readonly referrer?: Digest
  readonly written: boolean
}

export type Published = {
  /** `repository@sha256:…` */
  readonly reference: string
  readonly digest: Digest
  readonly version?: string
  readonly channel?: { readonly name: string; readonly sequence: number; readonly previous?: Digest }
  readonly revision: string
  readonly environments: Readonly<
    Record<string, { readonly treeDigest: string; readonly objects: number; readonly images: readonly string[] }>
  >
  readonly attestations: readonly Attestation[]
  /** False when everything was there already. */
  readonly changed: boolean
}

/**
 * Pushed → Signed → Named: nothing gets a name before it was read back and verified. Publishing the same again writes nothing.
 * @throws WaybillError VERSION_TAKEN, VERSION_AMBIGUOUS, VERSION_INVALID, CHANNEL_INVALID, READ_BACK_FAILED, REGISTRY_*
 */
export async function publish(_packed: Publishable, _options: PublishOptions): Promise<Published> {
  throw new WaybillError('INTERNAL', 'not built yet')
}
