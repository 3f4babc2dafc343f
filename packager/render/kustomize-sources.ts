import { dirname, join, relative, sep } from 'node:path'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Checkout } from '../checkout.ts'
import { look, readBounded } from '../disk.ts'
import {
  hasScheme,
  helmFieldsOf,
  type KustomizationReference,
  looksRemote,
  referencesOf,
  remoteInConfig,
} from './kustomization.ts'
import { repeatable } from './kustomize-words.ts'
import { objectsOf } from './objects.ts'
import { KUSTOMIZATION_FILES, readInput } from './render-manifests.ts'
import type { RenderedObject } from './rendered.ts'

/** What an overlay is made of, all of it out of one commit. */
export type KustomizeSources = {
  /** The overlay's own kustomization file, relative to the commit's root. */
  readonly file: string
  /** Objects as they stand in the bases' files: where to find what kustomize then changed. */
  readonly objects: readonly RenderedObject[]
  /** Text that no message may repeat. */
  readonly secrets: readonly string[]
  readonly faults: readonly Fault[]
  /** False where kustomize must not run: something is missing, or stands outside the commit. */
  readonly complete: boolean
}

type Walk = {
  readonly checkout: Checkout
  readonly environment: string
  readonly seen: Set<string>
  readonly objects: RenderedObject[]
  readonly secrets: string[]
  readonly faults: Fault[]
  complete: boolean
}

/**
 * Follows an overlay's references before kustomize does. A remote base, a path out of the commit, a submodule, a link that
 * leads out and a chart are faults: none of them is part of the commit, so the same commit would not give the same bytes.
 */
export async function scanKustomize(checkout: Checkout, environment: string, path: string): Promise<KustomizeSources> {
  const walk: Walk = { checkout, environment, seen: new Set(), objects: [], secrets: [], faults: [], complete: true }
  const file = await scanFolder(walk, path === '.' ? '' : path, path)
  const { objects, secrets, faults, complete } = walk
  return { file: file ?? path, objects, secrets, faults, complete }
}

function stop(walk: Walk, code: Fault['code'], file: string, message: string): void {
  walk.complete = false
  walk.faults.push({ code, message, file, environment: walk.environment })
}

async function scanFolder(walk: Walk, folder: string, from: string): Promise<string | undefined> {
  for (const name of KUSTOMIZATION_FILES) {
    const file = folder === '' ? name : `${folder}/${name}`
    if ((await look(join(walk.checkout.root, file))) === undefined) continue
    if (!walk.seen.has(file)) await scanKustomization(walk, file, folder)
    return file
  }
  const why = unusableAt(walk, folder)
  if (why !== undefined) stop(walk, 'INPUT_UNSUPPORTED', from, `${folder}: ${why}`)
  else
    stop(walk, 'INPUT_MISSING', from, `${folder === '' ? 'the root' : folder} has no kustomization.yaml in the commit`)
  return undefined
}

async function scanKustomization(walk: Walk, file: string, folder: string): Promise<void> {
  walk.seen.add(file)
  for (const value of await readDocuments(walk, file)) {
    if (!isJsonObject(value)) continue
    for (const field of helmFieldsOf(value))
      stop(walk, 'INPUT_UNSUPPORTED', file, `${field}: charts inside kustomize are not read`)
    walk.secrets.push(...repeatable(value))
    for (const reference of referencesOf(value)) await follow(walk, reference, file, folder)
  }
}

async function follow(
  walk: Walk,
  { ref, use, field }: KustomizationReference,
  from: string,
  folder: string,
): Promise<void> {
  if (hasScheme(ref))
    return stop(walk, 'INPUT_REMOTE', from, `${field}: ${withoutQuery(ref)} is not part of the commit`)
  const { root } = walk.checkout
  const absolute = join(root, folder, ref)
  const path = relative(root, absolute).split(sep).join('/')
  if (ref.startsWith('/') || path === '..' || path.startsWith('../'))
    return stop(walk, 'INPUT_UNSUPPORTED', from, `${field}: ${ref} leads out of the repository`)
  const found = await look(absolute)
  if (found === undefined) {
    const why = unusableAt(walk, path)
    if (why !== undefined) return stop(walk, 'INPUT_UNSUPPORTED', from, `${field}: ${path}: ${why}`)
    if (looksRemote(ref))
      return stop(walk, 'INPUT_REMOTE', from, `${field}: ${withoutQuery(ref)} is not part of the commit`)
    return stop(walk, 'INPUT_MISSING', from, `${field}: the commit has no ${path}`)
  }
  if (found.real !== root && !found.real.startsWith(root + sep))
    return stop(walk, 'INPUT_UNSUPPORTED', from, `${field}: ${ref} leads out of the repository`)
  if (use === 'data') {
    // kustomize repeats lines of these; of other files it repeats nothing.
    if (/\.envs?$/.test(field) && found.kind === 'file')
      walk.secrets.push((await readBounded(found.real, LIMITS.manifestFileBytesMax)).toString('utf8'))
    return
  }
  if (walk.seen.has(path)) return
  if (found.kind === 'folder') {
    await scanFolder(walk, path, from)
    return
  }
  await scanFile(walk, path, use)
}

async function scanFile(walk: Walk, file: string, use: 'base' | 'config'): Promise<void> {
  walk.seen.add(file)
  const { documents, faults } = await readInput(walk.checkout, walk.environment, file, 'kustomize')
  note(walk, faults)
  const { objects } = objectsOf(walk.environment, file, documents)
  for (const { object } of objects) walk.secrets.push(...secretsIn(object))
  if (use === 'base') walk.objects.push(...objects)
  if (use === 'base') return
  for (const { value } of documents) {
    walk.secrets.push(...repeatable(value))
    for (const ref of remoteInConfig(value))
      stop(walk, 'INPUT_REMOTE', file, `${withoutQuery(ref)} is not part of the commit`)
  }
}

async function readDocuments(walk: Walk, file: string): Promise<readonly Json[]> {
  const { documents, faults } = await readInput(walk.checkout, walk.environment, file, 'kustomize')
  note(walk, faults)
  return documents.map(({ value }) => value)
}

/** Whatever is wrong in a source, kustomize would only say it less well. */
function note(walk: Walk, faults: readonly Fault[]): void {
  walk.faults.push(...faults)
  if (faults.length > 0) walk.complete = false
}

function unusableAt(walk: Walk, path: string): string | undefined {
  for (let at = path; at !== '.' && at !== ''; at = dirname(at)) {
    const why = walk.checkout.unusable.get(at)
    if (why !== undefined) return why
  }
  return undefined
}

function secretsIn({ kind, data, stringData }: JsonObject): readonly string[] {
  return kind === 'Secret' ? repeatable([data ?? null, stringData ?? null], 'data') : []
}

/** An address for a message: what stands behind `?` or before `@` may be a token. */
function withoutQuery(ref: string): string {
  return ref
    .replace(/\/\/[^/@]*@/, '//')
    .replace(/\?.*$/, '')
    .slice(0, 200)
}
