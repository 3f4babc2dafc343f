import { z } from 'zod'
import { digestSchema, MEDIA } from '../artifact/artifact.ts'
import { parseJson } from '../canonical-json.ts'
import { type Digest, digestHex } from '../digest.ts'
import { hasCode, WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import { readBody, where } from './http.ts'
import { nextPage } from './pages.ts'
import type { RegistrySession } from './session.ts'

const entrySchema = z.object({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.int().min(0),
  artifactType: z.string().optional(),
})
const indexSchema = z.object({ manifests: z.array(entrySchema).nullish() })

export type ReferrerEntry = z.infer<typeof entrySchema>

/**
 * What the registry lists as attached to an artifact and may hold a Sigstore bundle: by the referrers API, else by the tag
 * `sha256-<hex>` (distribution-spec 1.1.1, "Listing Referrers"). Each once. More than LIMITS.referrersMax are refused.
 */
export async function listReferrers(
  session: RegistrySession,
  repository: Reference,
  digest: Digest,
): Promise<readonly ReferrerEntry[]> {
  const found = (await byApi(session, repository, digest)) ?? (await byTag(session, repository, digest))
  const each = new Map(found.map((entry) => [entry.digest, entry]))
  return [...each.values()].filter(({ mediaType }) => mediaType === MEDIA.manifest)
}

async function byApi(
  session: RegistrySession,
  repository: Reference,
  digest: Digest,
): Promise<readonly ReferrerEntry[] | undefined> {
  const found: ReferrerEntry[] = []
  let path: string | undefined = `referrers/${digest}`
  for (let page = 0; path !== undefined; page++) {
    const at = `${repository.repository}: the referrers of ${digest}`
    if (page === LIMITS.referrerPagesMax || found.length > LIMITS.referrersMax) throw tooMany(at)
    try {
      const answer = await session.request({ repository, method: 'GET', path, accept: MEDIA.index })
      const entries = parseIndex(where(answer.url), await readBody(answer, LIMITS.manifestBytesMax))
      found.push(...entries.filter(mayHoldBundle))
      path = nextPage(answer)
    } catch (error) {
      if (page === 0 && hasCode(error, 'REGISTRY_NOT_FOUND')) return undefined
      throw error
    }
  }
  if (found.length > LIMITS.referrersMax) throw tooMany(repository.repository)
  return found
}

/** No filter by artifact type here: cosign writes that of the empty config. */
async function byTag(
  session: RegistrySession,
  repository: Reference,
  digest: Digest,
): Promise<readonly ReferrerEntry[]> {
  try {
    const path = `manifests/sha256-${digestHex(digest)}`
    const answer = await session.request({ repository, method: 'GET', path, accept: MEDIA.index })
    const found = parseIndex(where(answer.url), await readBody(answer, LIMITS.manifestBytesMax))
    if (found.length > LIMITS.referrersMax) throw tooMany(repository.repository)
    return found
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND')) return []
    throw error
  }
}

/** The registry may not have filtered, or may fill in the config's type where the artifact's is meant. */
function mayHoldBundle({ artifactType }: ReferrerEntry): boolean {
  return artifactType === undefined || artifactType === MEDIA.bundle || artifactType === MEDIA.empty
}

function parseIndex(at: string, bytes: Uint8Array): readonly ReferrerEntry[] {
  const parsed = indexSchema.safeParse(readJson(at, bytes))
  if (parsed.success) return parsed.data.manifests ?? []
  throw new WaybillError('REGISTRY_ANSWER_INVALID', `${at}: not an OCI index`)
}

function readJson(at: string, bytes: Uint8Array): unknown {
  try {
    return parseJson(at, bytes)
  } catch (cause) {
    throw new WaybillError('REGISTRY_ANSWER_INVALID', `${at}: not JSON`, { cause })
  }
}

function tooMany(at: string): WaybillError {
  return new WaybillError('LIMIT_EXCEEDED', `${at}: more than ${LIMITS.referrersMax} referrers`, {
    hint: 'Somebody attached very many statements to this artifact. Delete those that nobody needs.',
  })
}
