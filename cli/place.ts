import os, { type PlatformPath } from 'node:path'
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
  const exact = await isLayout(pathFrom(cwd, whole))
  const { name, tag } = exact ? { name: whole } : splitTag(whole)
  const folder = pathFrom(cwd, name)
  if (!exact && !saysFolder(name) && !(await isLayout(folder)))
    return { kind: 'registry', reference: parseReference(text) }
  return {
    kind: 'layout',
    name,
    folder,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** True for what can only be a folder: `./packed`, `/srv/packed`, and on Windows `C:\packed` too. */
export function saysFolder(name: string, { isAbsolute }: PlatformPath = os): boolean {
  return name.startsWith('.') || isAbsolute(name)
}

/** `packed:1.4.2` is a folder and a tag; the colon of a drive is none, because what follows it is no tag. */
export function splitTag(text: string): { readonly name: string; readonly tag?: string } {
  const [, name, tag] = /^(.+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/.exec(text) ?? []
  return name === undefined || tag === undefined ? { name: text } : { name, tag }
}
