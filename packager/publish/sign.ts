import { MEDIA } from '../../contract/artifact/artifact.ts'
import { type Digest, digestHex, digestOf } from '../../contract/digest.ts'
import { hasCode } from '../../contract/errors.ts'
import { type OpenedBundle, openBundle, writeBundle } from '../../contract/trust/bundle.ts'
import { type PublicKey, verifyEnvelope } from '../../contract/trust/public-key.ts'
import { EMPTY_CONFIG, writeReferrer } from '../../contract/trust/referrer.ts'
import { PREDICATES, type PredicateRole, type Statement, statement } from '../../contract/trust/statements.ts'
import { parseTrustPolicy, type TrustPolicy } from '../../contract/trust/trust-policy.ts'
import type { SigningKey } from './keys.ts'
import { seconds } from './provenance.ts'
import type { Pushed } from './push.ts'
import type { RegistryWriter } from './registry-writer.ts'

/** A statement to be made about an artifact. `holds` says whether one that is there already says the same. */
export type Claim = {
  readonly role: PredicateRole
  readonly predicate: Record<string, unknown>
  readonly holds: (predicate: Record<string, unknown>) => boolean
}

/**
 * The statements that these keys made about a digest, out of bundles that anybody may have attached. ECDSA signatures
 * differ each time, so what is there already is known by its content, not by its bytes.
 */
export function statementsBy(
  bundles: readonly Uint8Array[],
  keys: readonly PublicKey[],
  digest: Digest,
): readonly Statement[] {
  return bundles
    .flatMap(opened)
    .filter(({ statement: { subject } }) => subject.some((one) => one.digest.sha256 === digestHex(digest)))
    .filter(({ payloadType, payload, signature }) =>
      keys.some((key) => verifyEnvelope(key, payloadType, payload, signature)),
    )
    .map((bundle) => bundle.statement)
}

/** True when one of the statements makes the claim. */
export function isClaimed({ role, holds }: Claim, statements: readonly Statement[]): boolean {
  return statements.some(({ predicateType, predicate }) => predicateType === PREDICATES[role] && holds(predicate))
}

/** Signs one claim and attaches it. Callers attach one after another. Returns the referrer's digest. */
export async function attach(
  claim: Claim,
  { repository, digest, size }: Pick<Pushed, 'repository' | 'digest' | 'size'>,
  { key, writer, now }: { readonly key: SigningKey; readonly writer: RegistryWriter; readonly now: Date },
): Promise<Digest> {
  const bundle = writeBundle(statement(digest, claim.role, claim.predicate), key)
  const referrer = writeReferrer(
    bundle,
    { mediaType: MEDIA.manifest, digest, size },
    { predicateType: PREDICATES[claim.role], created: seconds(now) },
  )
  await writer.pushBlob(repository, EMPTY_CONFIG, MEDIA.empty)
  await writer.pushBlob(repository, bundle, MEDIA.bundle)
  await writer.pushManifest(repository, referrer, MEDIA.manifest)
  return digestOf(referrer)
}

/** A policy under which this key alone may do everything: what a publisher holds its own work against. */
export function ownPolicy(
  repository: string,
  { publicKeyPem }: SigningKey,
  roles: readonly ('provenance' | 'release' | 'promotion')[] = [],
): TrustPolicy {
  const by = { by: ['the-key-given'] }
  return parseTrustPolicy('own-key', {
    repositories: [repository],
    authorities: [{ name: 'the-key-given', key: { pem: publicKeyPem } }],
    require: { signature: by, ...Object.fromEntries(roles.map((role) => [role, by])) },
  })
}

function opened(bytes: Uint8Array): OpenedBundle[] {
  try {
    return [openBundle(bytes)]
  } catch (error) {
    if (hasCode(error, 'ARTIFACT_INVALID')) return []
    throw error
  }
}
