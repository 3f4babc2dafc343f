import type { Digest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { byDigest } from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { parsePublicKey } from '../../contract/trust/public-key.ts'
import type { PredicateRole } from '../../contract/trust/statements.ts'
import { wait } from '../clock.ts'
import type { SigningKey } from './keys.ts'
import type { Pushed } from './push.ts'
import type { RegistryWriter } from './registry-writer.ts'
import { attach, type Claim, isClaimed, statementsBy } from './sign.ts'

export type Attestation = {
  readonly role: PredicateRole
  /** Of the referrer's manifest; absent when an equal one by this key was there already. */
  readonly referrer?: Digest
  readonly written: boolean
}

export type AttestOptions = {
  readonly writer: RegistryWriter
  readonly reader: RegistryReader
  readonly key: SigningKey
  readonly now: Date
  readonly onStep?: (step: string) => void
}

/** Times that statements are attached again when others, attaching at the same time, pushed them off the list. */
const roundsMax = 6

/**
 * Makes claims about an artifact, one after another, and reads them back until all are listed: where a registry has no
 * referrers API, publishers at work at the same time overwrite each other's list. What is there already is left alone.
 * @throws WaybillError READ_BACK_FAILED, REGISTRY_*, TOOL_*
 */
export async function attest(
  claims: readonly Claim[],
  artifact: Pick<Pushed, 'repository' | 'digest' | 'size'>,
  options: AttestOptions,
): Promise<readonly Attestation[]> {
  const { reader, key, onStep = () => {} } = options
  const own = parsePublicKey(key.publicKeyPem)
  const written = new Map<PredicateRole, Digest>()
  for (let round = 0; round < roundsMax; round++) {
    const found = statementsBy(await reader.fetchBundles(artifact.repository, artifact.digest), [own], artifact.digest)
    const missing = claims.filter((claim) => !isClaimed(claim, found))
    if (missing.length === 0)
      return claims.map(({ role }) => {
        const referrer = written.get(role)
        return { role, written: referrer !== undefined, ...(referrer === undefined ? {} : { referrer }) }
      })
    if (round > 1) await wait(2 ** round * 20 * (1 + Math.random()))
    for (const claim of missing) {
      onStep(`attaching the ${claim.role}`)
      written.set(claim.role, await attach(claim, artifact, options))
    }
  }
  throw new WaybillError(
    'READ_BACK_FAILED',
    `${byDigest(artifact.repository, artifact.digest)}: the registry does not list what was attached`,
  )
}
