import { ANNOTATIONS, type Descriptor, MEDIA } from '../artifact/artifact.ts'
import { canonicalJson } from '../canonical-json.ts'
import { digestOf } from '../digest.ts'

/** The bytes of the OCI empty config (image-spec 1.1, "Guidance for an empty descriptor"). */
export const EMPTY_CONFIG: Uint8Array = Buffer.from('{}')

/**
 * The manifest that attaches a Sigstore bundle to an artifact, as cosign 3 writes it: the bundle is its one layer, the
 * artifact its subject. `created` is a UTC time in whole seconds.
 */
export function writeReferrer(
  bundle: Uint8Array,
  subject: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>,
  { predicateType, created }: { readonly predicateType: string; readonly created: string },
): Uint8Array {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: MEDIA.bundle,
    config: { mediaType: MEDIA.empty, digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length },
    layers: [{ mediaType: MEDIA.bundle, digest: digestOf(bundle), size: bundle.length }],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': predicateType,
      [ANNOTATIONS.created]: created,
    },
  }
  return Buffer.from(canonicalJson(manifest), 'utf8')
}
