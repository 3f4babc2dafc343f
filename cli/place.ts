import { isAbsolute } from 'node:path'
import { type Digest, parseDigest } from '../contract/digest.ts'
import { parseReference, type Reference } from '../contract/reference.ts'
import { isLayout } from './disk.ts'
import { pathFrom } from './flags.ts'
import type { Context } from './verb.ts'

/** What a person names: something in a registry, or in the folder of an OCI layout. */
export type NamedPlace =
  | { readonly kind: 'registry'; readonly reference: Reference }
  | {
      readonly kind: 'layout'
      /** As it was written. */
      readonly name: string
      /** Absolute. */
      readonly folder: string
      readonly tag?: string
      readonly digest?: Digest
    }

/**
 * Reads `host/path[:tag][@sha256:…]` or `folder[:tag][@sha256:…]`. A folder begins with `.` or `/`, or is there and is a layout.
 * @throws WaybillError REFERENCE_INVALID, DIGEST_INVALID
 */
export async function parsePlace(text: string, { cwd }: Pick<Context, 'cwd'>): Promise<NamedPlace> {
  const at = text.indexOf('@sha256:')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  const whole = at < 0 ? text : text.slice(0, at)
  const cut = /^(.+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/.exec(whole)
  const exact = await isLayout(pathFrom(cwd, whole))
  const [name = '', tag] = exact || cut === null ? [whole] : [cut[1], cut[2]]
  const folder = pathFrom(cwd, name)
  if (!exact && !name.startsWith('.') && !isAbsolute(name) && !(await isLayout(folder)))
    return { kind: 'registry', reference: parseReference(text) }
  return {
    kind: 'layout',
    name,
    folder,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}
