import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { Rendering } from '../package-file.ts'
import { readYaml } from '../yaml/yaml.ts'
import { compareEnvironments } from './environment-names.ts'

/** Files of a repository by path: only those that may matter have content. */
export type Files = ReadonlyMap<string, Buffer>

/** Something that a package could be made of, with the environments that its folders and files suggest. */
export type Source = {
  readonly kind: Rendering['kind']
  /** The folder that a person would name to mean it; `.` is the root. */
  readonly path: string
  readonly environments: Readonly<Record<string, Rendering>>
}

/** The environment of a source that does not say what its environments are. */
export const ONLY_ENVIRONMENT = 'production'

export function isUnder(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => folder === '.' || path.startsWith(`${folder}/`))
}

/** The first mapping in a YAML file; an empty one where it cannot be read: whoever builds it will hear why. */
export function mappingIn(path: string, bytes: Buffer): JsonObject {
  const value = readYaml(path, bytes, 'kustomize').documents[0]?.value
  return isJsonObject(value) ? value : {}
}

/** Environments in the order in which a release passes through them. */
export function ordered(entries: readonly (readonly [string, Rendering])[]): Readonly<Record<string, Rendering>> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => compareEnvironments(a, b)))
}
