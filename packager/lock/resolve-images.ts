import type { Digest } from '../../contract/digest.ts'
import { type Fault, hasCode, WaybillError } from '../../contract/errors.ts'
import type { TagResolver } from '../../contract/registry/registry.ts'
import type { ImageName } from './image-name.ts'

const IN_FLIGHT = 8

/**
 * What each tag stands for now: the digest of an index where there is one, so that every platform gets its own image. One HEAD an
 * image, which registries that count pulls do not count.
 * @throws WaybillError with the code of the first that failed, and a fault for each of them
 */
export async function resolveImages(
  images: readonly ImageName[],
  registry: TagResolver,
): Promise<ReadonlyMap<string, Digest>> {
  const digests = new Map<string, Digest>()
  const failures: { readonly name: string; readonly error: WaybillError }[] = []
  for (let i = 0; i < images.length; i += IN_FLIGHT)
    await Promise.all(
      images.slice(i, i + IN_FLIGHT).map(async ({ name, reference, tag }) => {
        try {
          digests.set(name, await registry.resolveTag(reference, tag))
        } catch (error) {
          if (!(error instanceof WaybillError)) throw error
          failures.push({ name, error })
        }
      }),
    )
  const [first] = failures
  if (first === undefined) return digests
  const faults = failures
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, error }): Fault => ({ code: error.code, message: `${name}: ${error.message}` }))
  const seconds = hasCode(first.error, 'REGISTRY_RATE_LIMITED') ? first.error.retryAfterSeconds : undefined
  throw new WaybillError(first.error.code, `${countOf(failures.length)} not be resolved; waybill.lock is as it was`, {
    cause: first.error,
    faults,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  })
}

function countOf(count: number): string {
  return count === 1 ? 'one image could' : `${count} images could`
}
