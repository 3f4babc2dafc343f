import type { Digest } from '../../contract/digest.ts'
import { LIMITS } from '../../contract/limits.ts'
import { byDigest, type Reference } from '../../contract/reference.ts'
import { type OrasOptions, openOras, orasFlags } from '../publish/oras.ts'

/** Where something is copied from or to: a repository of a registry, or the folder of an OCI layout. */
export type Place =
  | { readonly kind: 'registry'; readonly repository: Reference; readonly plainHttp: boolean }
  | { readonly kind: 'layout'; readonly folder: string }

/** Copies by digest, with all that the manifest names, blobs before manifests. Nothing gets a name. Idempotent. */
export interface Copier {
  /** With `referrers` also what is attached to it, and to that. @throws WaybillError REGISTRY_*, TOOL_*, TIMED_OUT */
  copy(from: Place, to: Place, digest: Digest, options: { readonly referrers: boolean }): Promise<void>
}

/** `oras copy`, for whole registries' settings on either side; each place says itself whether it speaks plain HTTP. */
export function createOrasCopier(options: Omit<OrasOptions, 'plainHttp'>): Copier {
  const run = openOras(options)
  return {
    copy: (from, to, digest, { referrers }) =>
      run({
        repositories: [from, to].flatMap((place) => (place.kind === 'registry' ? [place.repository] : [])),
        target: `${nameOf(from, digest)} to ${nameOf(to, digest)}`,
        args: ['copy', '--no-tty', ...(referrers ? ['--recursive'] : []), nameOf(from, digest), nameOf(to, digest)],
        flags: [...flagsOf(from, options, 'from-'), ...flagsOf(to, options, 'to-')],
        timeoutMs: LIMITS.copyMs,
      }),
  }
}

function nameOf(place: Place, digest: Digest): string {
  return place.kind === 'registry' ? byDigest(place.repository, digest) : `${place.folder}@${digest}`
}

function flagsOf(place: Place, options: OrasOptions, side: string): readonly string[] {
  if (place.kind === 'layout') return [`--${side}oci-layout`]
  return orasFlags({ ...options, plainHttp: place.plainHttp }, side)
}
