import assert from 'node:assert/strict'
import type { ReleaseConfig } from '../../contract/artifact/artifact.ts'
import { type Digest, digestOf } from '../../contract/digest.ts'
import { hasCode, WaybillError } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import {
  byDigest,
  isVersion,
  parseChannel,
  parseRepository,
  parseVersion,
  type Reference,
} from '../../contract/reference.ts'
import type { RegistryReader } from '../../contract/registry/registry.ts'
import { packageUrlNames } from '../../contract/trust/package-url.ts'
import { packageUrl, provenancePredicateSchema, releasePredicateSchema } from '../../contract/trust/statements.ts'
import { evaluateTrust } from '../../contract/trust/trust.ts'
import type { Packed } from '../pack.ts'
import { type Attestation, attest } from './attest.ts'
import type { SigningKey } from './keys.ts'
import { promote } from './promote.ts'
import { type BuildFacts, provenancePredicate, sameBuild } from './provenance.ts'
import { type Pushed, push } from './push.ts'
import type { RegistryWriter } from './registry-writer.ts'
import { type Claim, ownPolicy } from './sign.ts'

export type { Attestation } from './attest.ts'

/** An artifact's bytes, as `pack` makes them, and what they say. */
export type Publishable = Packed

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
 * Pushed → Signed → Named: nothing gets a name before it was read back and verified. Publishing the same again writes
 * nothing; publishing again after a failure goes on where it stopped.
 * @throws WaybillError VERSION_TAKEN, VERSION_AMBIGUOUS, VERSION_INVALID, CHANNEL_INVALID, READ_BACK_FAILED, REGISTRY_*, TOOL_*
 */
export async function publish(packed: Publishable, options: PublishOptions): Promise<Published> {
  const [published] = await publishAll([{ packed, options }])
  assert.ok(published)
  return published
}

/**
 * Publishes artifacts of one commit, each into the repository that it names: all are pushed, signed and read back before any gets a name.
 * Results are in the order given. @throws WaybillError as publish
 */
export async function publishAll(
  artifacts: readonly { readonly packed: Publishable; readonly options: PublishOptions }[],
): Promise<readonly Published[]> {
  const planned = artifacts.map(plan)
  for (const { repository, version, packed, options } of planned)
    if (version !== undefined) await taken(options.reader, repository, version, packed.digest)
  const signed: Signed[] = []
  for (const one of planned) signed.push(await pushAndSign(one))
  const published: Published[] = []
  for (const one of signed) published.push(await giveNames(one))
  return published
}

type Planned = {
  readonly packed: Publishable
  readonly options: PublishOptions
  readonly repository: Reference
  readonly version: string | undefined
  readonly channel: string | undefined
}
type Signed = Planned & { readonly pushed: Pushed; readonly attestations: readonly Attestation[] }

function plan({ packed, options }: Pick<Planned, 'packed' | 'options'>): Planned {
  return {
    packed,
    options,
    repository: parseRepository(packed.release.package.repository),
    version: versionOf(options),
    channel: options.channel === undefined ? undefined : parseChannel(options.channel),
  }
}

async function pushAndSign(planned: Planned): Promise<Signed> {
  const { packed, options, repository, version } = planned
  const { reader, writer, build, onStep = () => {} } = options
  onStep(`pushing ${byDigest(repository, packed.digest)}`)
  const pushed = await push(packed, repository, { reader, writer })
  const claims = claimsOf(packed, build, version)
  let attestations = await attest(claims, pushed, options)
  for (let round = 1; ; round++) {
    onStep('reading back')
    try {
      await readBack(packed, repository, options, version)
      break
    } catch (error) {
      // Others, attaching at the same time where there is no referrers API, pushed ours off the list after we had seen it there.
      if (round === readBackRoundsMax || !isLost(error)) throw error
      const again = await attest(claims, pushed, options)
      attestations = again.map((one, at) => (one.written ? one : (attestations[at] ?? one)))
    }
  }
  return { ...planned, pushed, attestations }
}

const readBackRoundsMax = 4

function isLost(error: unknown): boolean {
  if (!hasCode(error, 'READ_BACK_FAILED')) return false
  return hasCode(error.cause, 'SIGNATURE_MISSING', 'PROVENANCE_MISSING', 'RELEASE_MISSING')
}

async function giveNames(signed: Signed): Promise<Published> {
  const { packed, options, repository, version, channel, pushed, attestations } = signed
  const { release, digest } = packed
  const named = version !== undefined && (await nameVersion(repository, version, digest, options))
  const promoted = channel === undefined ? undefined : await promote({ ...repository, digest }, { ...options, channel })
  return {
    reference: byDigest(repository, digest),
    digest,
    ...(version === undefined ? {} : { version }),
    ...(promoted === undefined
      ? {}
      : {
          channel: {
            name: promoted.channel,
            sequence: promoted.sequence,
            ...(promoted.previous === undefined ? {} : { previous: promoted.previous }),
          },
        }),
    revision: release.source.revision,
    environments: environmentsOf(release),
    attestations,
    changed: pushed.written || named || attestations.some(({ written }) => written) || (promoted?.changed ?? false),
  }
}

/**
 * `--version`, else the version in the commit's one tag such as `v1.4.2`, else none.
 * @throws WaybillError VERSION_INVALID, VERSION_AMBIGUOUS
 */
export function versionOf({ version, gitTags = [] }: Pick<PublishOptions, 'version' | 'gitTags'>): string | undefined {
  if (version !== undefined) return parseVersion(version)
  const found = gitTags.filter((tag) => tag.startsWith('v') && isVersion(tag.slice(1))).map((tag) => tag.slice(1))
  if (found.length > 1)
    throw new WaybillError('VERSION_AMBIGUOUS', `the commit carries the tags ${found.map((v) => `v${v}`).join(', ')}`)
  return found[0]
}

function claimsOf({ release, digest }: Publishable, build: BuildFacts, version: string | undefined): readonly Claim[] {
  const provenance = provenancePredicate(release, build)
  const { repository } = release.package
  const claims: Claim[] = [
    { role: 'signature', predicate: {}, holds: () => true },
    {
      role: 'provenance',
      predicate: provenance,
      holds: (found) => {
        const parsed = provenancePredicateSchema.safeParse(found)
        return parsed.success && sameBuild(parsed.data, provenance)
      },
    },
  ]
  if (version !== undefined)
    claims.push({
      role: 'release',
      predicate: { purl: packageUrl(repository, digest), releaseId: version },
      holds: (found) => {
        const parsed = releasePredicateSchema.safeParse(found)
        return (
          parsed.success && parsed.data.releaseId === version && packageUrlNames(parsed.data.purl, repository, digest)
        )
      },
    })
  return claims
}

/** Reads everything as a puller will, before anybody can find it by name. */
async function readBack(
  { release, digest, config, layer }: Publishable,
  repository: Reference,
  { reader, key }: PublishOptions,
  version: string | undefined,
): Promise<void> {
  try {
    await reader.fetchManifest(repository, digest)
    for (const [bytes, bytesMax] of [
      [config, LIMITS.configBytesMax],
      [layer, LIMITS.layerBytesMax],
    ] as const)
      await reader.fetchBlob(repository, { digest: digestOf(bytes), size: bytes.length }, bytesMax)
    const canonical = release.package.repository
    const policy = ownPolicy(canonical, key, version === undefined ? ['provenance'] : ['provenance', 'release'])
    const query = { repository: canonical, canonical, digest, ranBefore: false }
    evaluateTrust(
      [policy],
      version === undefined ? query : { ...query, version },
      await reader.fetchBundles(repository, digest),
    )
  } catch (cause) {
    if (!(cause instanceof WaybillError) || cause.code === 'REGISTRY_UNREACHABLE') throw cause
    throw new WaybillError('READ_BACK_FAILED', `${byDigest(repository, digest)}: ${cause.message}`, { cause })
  }
}

/** True when the tag was set, false when it was there. A tag cannot be set only-if-absent: look before, and after. */
async function nameVersion(
  repository: Reference,
  version: string,
  digest: Digest,
  { reader, writer, onStep = () => {} }: PublishOptions,
): Promise<boolean> {
  if (await taken(reader, repository, version, digest)) return false
  onStep(`naming it ${version}`)
  await writer.tag(repository, digest, version)
  await taken(reader, repository, version, digest)
  return true
}

/** True when the version's tag names this digest, false when there is none. @throws WaybillError VERSION_TAKEN */
async function taken(reader: RegistryReader, repository: Reference, version: string, digest: Digest): Promise<boolean> {
  try {
    const found = await reader.resolveTag(repository, version)
    if (found === digest) return true
    throw new WaybillError('VERSION_TAKEN', `${repository.repository}:${version} is ${found}, not ${digest}`)
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return false
    throw error
  }
}

function environmentsOf({ environments }: ReleaseConfig): Published['environments'] {
  return Object.fromEntries(
    Object.entries(environments).map(([name, { treeDigest, objects, images }]) => [
      name,
      { treeDigest, objects: objects.length, images },
    ]),
  )
}
