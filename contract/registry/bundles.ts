import { z } from 'zod'
import { digestSchema, MEDIA } from '../artifact/artifact.ts'
import { parseJson } from '../canonical-json.ts'
import type { Digest } from '../digest.ts'
import { hasCode, WaybillError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Reference } from '../reference.ts'
import type { ReferrerEntry } from './referrers.ts'
import type { BlobSource, ManifestSource } from './registry.ts'

const referrerSchema = z.object({
  layers: z.tuple([
    z.object({
      mediaType: z.literal(MEDIA.bundle),
      digest: digestSchema,
      size: z.int().min(1).max(LIMITS.bundleBytesMax),
    }),
  ]),
  subject: z.object({ digest: digestSchema }),
})

/** Requests in flight for one artifact's bundles. */
const parallel = 8

/**
 * The bundle behind each referrer that holds one about `subject`. A referrer that is gone, or is something else, is passed
 * over: anybody who may attach could otherwise make an artifact unreadable.
 */
export async function readBundles(
  source: Pick<ManifestSource, 'fetchManifest'> & BlobSource,
  repository: Reference,
  subject: Digest,
  entries: readonly ReferrerEntry[],
): Promise<readonly Uint8Array[]> {
  const found: Uint8Array[] = []
  let bytes = 0
  const waiting = [...entries]
  const work = async () => {
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
      const bundle = await readOne(source, repository, subject, entry.digest)
      if (bundle === undefined) continue
      bytes += bundle.length
      if (bytes > LIMITS.bundlesBytesMax)
        throw new WaybillError(
          'LIMIT_EXCEEDED',
          `${repository.repository}@${subject}: more than ${LIMITS.bundlesBytesMax} bytes of bundles`,
        )
      found.push(bundle)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, entries.length) }, work))
  return found
}

async function readOne(
  source: Pick<ManifestSource, 'fetchManifest'> & BlobSource,
  repository: Reference,
  subject: Digest,
  referrer: Digest,
): Promise<Uint8Array | undefined> {
  try {
    const manifest = referrerSchema.safeParse(
      parseJson('the referrer', await source.fetchManifest(repository, referrer)),
    )
    if (!manifest.success || manifest.data.subject.digest !== subject) return undefined
    return await source.fetchBlob(repository, manifest.data.layers[0], LIMITS.bundleBytesMax)
  } catch (error) {
    if (hasCode(error, 'REGISTRY_NOT_FOUND', 'ARTIFACT_INVALID', 'LIMIT_EXCEEDED')) return undefined
    throw error
  }
}
