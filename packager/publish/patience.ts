import { type ErrorCode, hasCode } from '../../contract/errors.ts'
import type { RegistryReader, TagLister } from '../../contract/registry/registry.ts'

export type Patience = {
  readonly wait: (ms: number) => Promise<void>
  /** Told before each wait, in a few words. */
  readonly onStep?: (step: string) => void
}

const triesMax = 5
const waitSecondsMax = 60

/**
 * Asks again when a registry says to come back (429): when `Retry-After` says, else after 1, 2, 4, 8 seconds. What is longer off than a minute
 * is not waited for: REGISTRY_RATE_LIMITED says until when. `codes`: failures after which asking again is due.
 */
export async function insist<T>(
  ask: () => Promise<T>,
  { wait, onStep = () => {} }: Patience,
  codes: readonly ErrorCode[] = ['REGISTRY_RATE_LIMITED'],
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (!hasCode(error, ...codes) || tries === triesMax) throw error
      const seconds = error.retryAfterSeconds ?? 2 ** (tries - 1)
      if (seconds > waitSecondsMax) throw error
      onStep(
        error.code === 'REGISTRY_RATE_LIMITED'
          ? `the registry asks to come back in ${seconds} s`
          : `the registry has trouble; asking again in ${seconds} s`,
      )
      await wait(seconds * 1000)
    }
  }
}

/** A reader that comes back when a registry asks it to, as oras does by itself. The puller has its own loop, and no use for this. */
export function patient(reader: RegistryReader & TagLister, patience: Patience): RegistryReader & TagLister {
  return {
    resolveTag: (...args) => insist(() => reader.resolveTag(...args), patience),
    fetchManifest: (...args) => insist(() => reader.fetchManifest(...args), patience),
    fetchBlob: (...args) => insist(() => reader.fetchBlob(...args), patience),
    fetchBundles: (...args) => insist(() => reader.fetchBundles(...args), patience),
    listTags: (...args) => insist(() => reader.listTags(...args), patience),
  }
}
