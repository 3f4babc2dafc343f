import { z } from 'zod'
import { WaybillError } from '../errors.ts'

/** `registry.example.com/acme/**`: `*` stands for one path segment, `**` at the end for any number. The host is always literal. */
export const repositoryPatternSchema = z
  .string()
  .max(512)
  .regex(
    /^[a-z0-9.[\]:-]+(?:\/(?:[a-z0-9._-]+|\*))*(?:\/\*\*|\/[a-z0-9._-]+|\/\*)$/,
    'host/path, with * for a segment or ** at the end',
  )

export const authoritySchema = z.strictObject({
  name: z.string().min(1).max(63),
  /** SPKI PEM of an ECDSA P-256 public key. */
  key: z.strictObject({ pem: z.string().max(2048) }).optional(),
  /** Not built yet: refused. */
  keyless: z.record(z.string(), z.unknown()).optional(),
  /** retired: good for digests that the records show ran here. revoked: good for nothing. */
  state: z.enum(['active', 'retired', 'revoked']).default('active'),
})

const by = z.array(z.string().min(1).max(63)).min(1).max(16)

export const trustPolicySpecSchema = z.strictObject({
  repositories: z.array(repositoryPatternSchema).min(1).max(64),
  /** Where copies of these may be read from; absent: anywhere. */
  mirrors: z.array(repositoryPatternSchema).max(64).optional(),
  authorities: z.array(authoritySchema).min(1).max(32),
  require: z.strictObject({
    signature: z.strictObject({ by }),
    provenance: z
      .strictObject({
        by,
        /** Exactly equal. */
        builderId: z.string().max(512).optional(),
        /** Exactly equal to the provenance's source repository. */
        sourceRepository: z.string().max(2048).optional(),
        /** Any of; `*` at the end of one stands for the rest, slashes included. */
        sourceRefs: z.array(z.string().min(1).max(255)).min(1).max(32).optional(),
      })
      .optional(),
    release: z.strictObject({ by }).optional(),
    promotion: z.strictObject({ by }).optional(),
  }),
})

export type TrustPolicySpec = z.infer<typeof trustPolicySpecSchema>
export type Authority = z.infer<typeof authoritySchema>

/** A TrustPolicy as Verify needs it. */
export type TrustPolicy = { readonly name: string; readonly generation?: number; readonly spec: TrustPolicySpec }

/** @throws WaybillError POLICY_INVALID with every fault; FIELD_UNSUPPORTED for keyless authorities. */
export function parseTrustPolicy(name: string, spec: unknown, generation?: number): TrustPolicy {
  const parsed = trustPolicySpecSchema.safeParse(spec)
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${['spec', ...issue.path].join('.')}: ${issue.message}`)
    throw new WaybillError('POLICY_INVALID', `TrustPolicy ${name}: ${faults.join('; ')}`)
  }
  checkAuthorities(name, parsed.data)
  return { name, spec: parsed.data, ...(generation === undefined ? {} : { generation }) }
}

function checkAuthorities(name: string, spec: TrustPolicySpec): void {
  const names = new Set<string>()
  for (const authority of spec.authorities) {
    if (authority.keyless !== undefined)
      throw new WaybillError(
        'FIELD_UNSUPPORTED',
        `TrustPolicy ${name}: authority ${authority.name}: keyless is not built yet`,
      )
    if (authority.key === undefined)
      throw new WaybillError('POLICY_INVALID', `TrustPolicy ${name}: authority ${authority.name} has no key`)
    if (names.has(authority.name))
      throw new WaybillError('POLICY_INVALID', `TrustPolicy ${name}: two authorities are named ${authority.name}`)
    names.add(authority.name)
  }
  for (const [role, rule] of Object.entries(spec.require))
    for (const signer of rule?.by ?? [])
      if (!names.has(signer))
        throw new WaybillError(
          'POLICY_INVALID',
          `TrustPolicy ${name}: require.${role}.by names ${signer}, which is no authority`,
        )
}

/** True when the pattern covers `host/path`. */
export function repositoryMatches(pattern: string, repository: string): boolean {
  const wanted = pattern.split('/')
  const found = repository.split('/')
  if (wanted.at(-1) === '**') {
    const prefix = wanted.slice(0, -1)
    return found.length > prefix.length && prefix.every((part, i) => segmentMatches(part, found[i]))
  }
  return wanted.length === found.length && wanted.every((part, i) => segmentMatches(part, found[i]))
}

function segmentMatches(pattern: string, segment: string | undefined): boolean {
  return segment !== undefined && (pattern === '*' || pattern === segment)
}
