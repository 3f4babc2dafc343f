import { hasCode } from '../../contract/errors.ts'
import type { RegistryReader, TagLister } from '../../contract/registry/registry.ts'

export type Patience = {
  readonly wait: (ms: number) => Promise<void>
  /** Told before each wait, in a few words. */
  readonly onStep?: (step: string) => void
}

const triesMax = 5
const waitSecondsMax = 60

/**
 * A reader that comes back when a registry asks it to (429), as oras does by itself: when `Retry-After` says, else after 1, 2, 4, 8 seconds.
 * What is longer off than a minute is not waited for: REGISTRY_RATE_LIMITED says until when. The puller has its own loop, and no use for this.
 */
export function patient(
  reader: RegistryReader & TagLister,
  { wait, onStep = () => {} }: Patience,
): RegistryReader & TagLister {
  const insist = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await ask()
      } catch (error) {
        if (!hasCode(error, 'REGISTRY_RATE_LIMITED') || tries === triesMax) throw error
        const seconds = error.retryAfterSeconds ?? 2 ** (tries - 1)
        if (seconds > waitSecondsMax) throw error
        onStep(`the registry asks to come back in ${seconds} s`)
        await wait(seconds * 1000)
      }
    }
  }
  return {
    resolveTag: (...args) => insist(() => reader.resolveTag(...args)),
    fetchManifest: (...args) => insist(() => reader.fetchManifest(...args)),
    fetchBlob: (...args) => insist(() => reader.fetchBlob(...args)),
    fetchBundles: (...args) => insist(() => reader.fetchBundles(...args)),
    listTags: (...args) => insist(() => reader.listTags(...args)),
  }
}
