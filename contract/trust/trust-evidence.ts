import { type Digest, shortDigest } from '../digest.ts'
import { hasCode, WaybillError } from '../errors.ts'
import { type OpenedBundle, openBundle } from './bundle.ts'
import { type PublicKey, parsePublicKey, verifyEnvelope } from './public-key.ts'
import type { Authority, TrustPolicy } from './trust-policy.ts'

/** The bundles that could be taken apart, in the order of their digests, each once; and why the others could not. */
export type Evidence = { readonly bundles: readonly OpenedBundle[]; readonly warnings: readonly string[] }

const warningsMax = 20

/** Never throws for what a bundle holds. Whatever order the registry gave, the result is the same. */
export function gatherEvidence(bundles: readonly Uint8Array[]): Evidence {
  const opened = new Map<Digest, OpenedBundle>()
  const warnings: string[] = []
  bundles.forEach((bytes, i) => {
    try {
      const bundle = openBundle(bytes)
      opened.set(bundle.digest, bundle)
    } catch (error) {
      if (!hasCode(error, 'ARTIFACT_INVALID')) throw error
      if (warnings.length < warningsMax) warnings.push(`bundle ${i + 1} of ${bundles.length} ignored: ${error.message}`)
    }
  })
  return { bundles: [...opened.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)), warnings }
}

export type AuthorityState = Authority['state']

/** A key of a policy. One that is listed twice has the worse of its states, whoever it is listed for. */
export type Keyholder = {
  readonly names: readonly string[]
  readonly key: PublicKey
  readonly state: AuthorityState
}

const worse: Readonly<Record<AuthorityState, number>> = { active: 0, retired: 1, revoked: 2 }

/** @throws WaybillError POLICY_INVALID when a key cannot be read */
export function keyholders({ name, spec }: TrustPolicy): readonly Keyholder[] {
  const found = new Map<Digest, Keyholder>()
  for (const authority of spec.authorities) {
    const key = readKey(name, authority)
    const before = found.get(key.fingerprint)
    const state = before !== undefined && worse[before.state] > worse[authority.state] ? before.state : authority.state
    found.set(key.fingerprint, { names: [...(before?.names ?? []), authority.name], key, state })
  }
  return [...found.values()]
}

/** Says who of the holders signed a bundle. Remembers each answer, since policies share keys. */
export type SignerFinder = (bundle: OpenedBundle, holders: readonly Keyholder[]) => Keyholder | undefined

export function signerFinder(): SignerFinder {
  const answers = new Map<string, boolean>()
  const signed = (bundle: OpenedBundle, { key }: Keyholder) => {
    const question = `${bundle.digest} ${key.fingerprint}`
    const known = answers.get(question)
    if (known !== undefined) return known
    const answer = verifyEnvelope(key, bundle.payloadType, bundle.payload, bundle.signature)
    answers.set(question, answer)
    return answer
  }
  return (bundle, holders) => {
    const hinted = holders.find(({ key }) => key.hint === bundle.hint)
    if (hinted !== undefined && signed(bundle, hinted)) return hinted
    return holders.find((holder) => holder !== hinted && signed(bundle, holder))
  }
}

/** How a bundle's unknown signer is shown to people. */
export function hintedSigner({ hint }: OpenedBundle): string {
  const hash = Buffer.from(hint, 'base64')
  return hash.length === 32 ? `key ${shortDigest(`sha256:${hash.toString('hex')}`)}` : 'an unnamed key'
}

function readKey(policy: string, { name, key }: Authority): PublicKey {
  if (key === undefined) throw new WaybillError('POLICY_INVALID', `TrustPolicy ${policy}: authority ${name} has no key`)
  try {
    return parsePublicKey(key.pem)
  } catch (cause) {
    const why = cause instanceof WaybillError ? cause.message : 'the key cannot be read'
    throw new WaybillError('POLICY_INVALID', `TrustPolicy ${policy}: authority ${name}: ${why}`, { cause })
  }
}
