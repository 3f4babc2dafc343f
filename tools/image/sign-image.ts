import { canonicalJson } from '../../contract/canonical-json.ts'
import { openLayout } from '../../packager/layout-store.ts'
import { attest } from '../../packager/publish/attest.ts'
import type { SigningKey } from '../../packager/publish/keys.ts'
import type { Claim } from '../../packager/publish/sign.ts'
import { LAYOUT_REPOSITORY, type WrittenImage } from './write-image.ts'

export type ImageStatements = {
  /** SLSA provenance v1. */
  readonly provenance: Record<string, unknown>
  /** SPDX 2.3. */
  readonly sbom: Record<string, unknown>
}

/** Signs an image of a layout, and attests both statements, as `cosign verify` and `cosign verify-attestation` read them. */
export async function signImage(
  folder: string,
  image: Pick<WrittenImage, 'digest' | 'size'>,
  { provenance, sbom }: ImageStatements,
  { key, now }: { readonly key: SigningKey; readonly now: Date },
): Promise<void> {
  const layout = openLayout(folder)
  const says = (role: Claim['role'], predicate: Record<string, unknown>): Claim => ({
    role,
    predicate,
    holds: (other) => canonicalJson(other) === canonicalJson(predicate),
  })
  const claims = [says('signature', {}), says('provenance', provenance), says('sbom', sbom)]
  const artifact = { repository: LAYOUT_REPOSITORY, digest: image.digest, size: image.size }
  await attest(claims, artifact, { writer: layout, reader: layout, key, now })
}
