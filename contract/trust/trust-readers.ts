import { isVersion } from '../reference.ts'
import { packageUrlNames } from './package-url.ts'
import {
  type PromotionPredicate,
  type ProvenancePredicate,
  promotionPredicateSchema,
  provenancePredicateSchema,
  releasePredicateSchema,
} from './statements.ts'
import type { TrustedProvenance, TrustQuery } from './trust-answer.ts'
import type { TrustPolicySpec } from './trust-policy.ts'
import type { PredicateReader, Rejection } from './trust-role.ts'

type ProvenanceRule = NonNullable<TrustPolicySpec['require']['provenance']>

/** A signature says nothing more than its subject. */
export const readSignature: PredicateReader<true> = () => ({ value: true })

export function provenanceReader(rule: ProvenanceRule): PredicateReader<TrustedProvenance> {
  return ({ predicate }) => {
    const parsed = provenancePredicateSchema.safeParse(predicate)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      return rejected('PROVENANCE_INVALID', 0, `provenance: ${issue?.path.join('.')}: ${issue?.message}`)
    }
    const found = summary(parsed.data)
    if (rule.sourceRepository !== undefined && found.sourceRepository !== rule.sourceRepository)
      return rejected('PROVENANCE_SOURCE', 1, `built from ${found.sourceRepository}, not ${rule.sourceRepository}`)
    if (rule.sourceRefs !== undefined && !rule.sourceRefs.some((pattern) => refMatches(pattern, found.ref)))
      return rejected('PROVENANCE_REF', 2, `built from ${found.ref ?? 'no ref'}, not ${rule.sourceRefs.join(' or ')}`)
    if (rule.builderId !== undefined && found.builderId !== rule.builderId)
      return rejected('PROVENANCE_BUILDER', 3, `built by ${found.builderId}, not ${rule.builderId}`)
    return { value: found }
  }
}

export function promotionReader({ canonical, channel }: TrustQuery): PredicateReader<PromotionPredicate> {
  return ({ predicate }) => {
    const parsed = promotionPredicateSchema.safeParse(predicate)
    if (!parsed.success) return rejected('PROMOTION_MISSING', 0, 'the promotion is not one that Waybill knows')
    if (parsed.data.channel !== channel)
      return rejected('PROMOTION_MISSING', 1, `promoted into ${parsed.data.channel}, not into ${channel}`)
    if (!packageUrlNames(parsed.data.package, canonical))
      return rejected('PACKAGE_MISMATCH', 2, `the promotion is of package ${parsed.data.package}, not of ${canonical}`)
    return { value: parsed.data }
  }
}

/** Gives the version. With `query.version`, any other is refused. */
export function releaseReader({ canonical, digest, version }: TrustQuery): PredicateReader<string> {
  return ({ predicate }) => {
    const parsed = releasePredicateSchema.safeParse(predicate)
    if (!parsed.success || !isVersion(parsed.data.releaseId))
      return rejected('RELEASE_MISSING', 0, 'the release statement names no version')
    const { purl, releaseId } = parsed.data
    if (!packageUrlNames(purl, canonical, digest))
      return rejected('PACKAGE_MISMATCH', 2, `the release is of ${purl}, not of ${canonical}@${digest}`)
    if (version !== undefined && releaseId !== version)
      return rejected('RELEASE_MISSING', 1, `released as ${releaseId}, not as ${version}`)
    return { value: releaseId }
  }
}

function summary({ buildDefinition, runDetails }: ProvenancePredicate): TrustedProvenance {
  const { source, workflow } = buildDefinition.externalParameters
  const commit = buildDefinition.resolvedDependencies.find(({ digest }) => digest.gitCommit !== undefined)
  const revision = revisionOf(commit?.digest.gitCommit)
  const invocationId = runDetails.metadata?.invocationId
  const actor = buildDefinition.internalParameters?.actor
  return {
    builderId: runDetails.builder.id,
    sourceRepository: source.repository,
    ...(source.ref === undefined ? {} : { ref: source.ref }),
    ...(revision === undefined ? {} : { revision }),
    ...(invocationId === undefined ? {} : { invocationId }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(typeof actor === 'string' ? { actor: actor.slice(0, 256) } : {}),
  }
}

function revisionOf(commit: string | undefined): string | undefined {
  if (commit === undefined) return undefined
  if (/^[0-9a-f]{40}$/.test(commit)) return `sha1:${commit}`
  return /^[0-9a-f]{64}$/.test(commit) ? `sha256:${commit}` : undefined
}

function refMatches(pattern: string, ref: string | undefined): boolean {
  if (ref === undefined) return false
  return pattern.endsWith('*') ? ref.startsWith(pattern.slice(0, -1)) : ref === pattern
}

function rejected(code: Rejection['code'], near: number, detail: string): Rejection {
  return { code, near, detail }
}
