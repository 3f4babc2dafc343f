import { compareBytes } from '../../contract/artifact/artifact.ts'
import type { Digest } from '../../contract/digest.ts'
import { type Fault, hasCode, WaybillError } from '../../contract/errors.ts'
import type { Checks } from '../package-file.ts'
import { imagesOf } from '../render/images.ts'
import { faultAt, type Rendered } from '../render/rendered.ts'
import { type ImageName, parseImageName } from './image-name.ts'
import type { LockedImages } from './lock-file.ts'

/** Which entries to resolve anew: those that these names match, or every one. */
export type Update = { readonly names: readonly string[]; readonly all?: boolean }

/** What a lock has to become, before any registry was asked. */
export type LockPlan = {
  /** Entries that stay as they are. */
  readonly kept: LockedImages
  /** What to resolve: new images, and those that are to be updated. Sorted by name. */
  readonly wanted: readonly ImageName[]
  /** Entries that no image of the commit uses any more. */
  readonly unused: readonly string[]
}

/** What happened to one image of a lock. */
export type LockChange = {
  readonly name: string
  readonly change: 'kept' | 'added' | 'updated' | 'removed'
  /** Absent where it was removed. */
  readonly digest?: Digest
  /** The digest before, where it was updated or removed. */
  readonly previous?: Digest
}

/**
 * Every image with a tag and no digest, each once, in all environments, sorted by name. Under the rule `any`, what is no name of an image is
 * passed over, as `check` does.
 * @throws WaybillError CHECK_FAILED with each image that no runtime could pull, and its place
 */
export function taggedImages(rendered: Rendered, rule: Checks['images']): readonly ImageName[] {
  const found = new Map<string, ImageName>()
  const faults: Fault[] = []
  for (const object of Object.values(rendered.environments).flat())
    for (const { path, image } of imagesOf(object.object)) {
      if (image.includes('@')) continue
      try {
        const parsed = parseImageName(image)
        found.set(parsed.name, parsed)
      } catch (error) {
        if (!hasCode(error, 'REFERENCE_INVALID')) throw error
        if (rule === 'pinned') faults.push(faultAt(object, error.code, `image ${error.message}`, path))
      }
    }
  if (faults.length > 0)
    throw new WaybillError('CHECK_FAILED', `${faults.length} of the images cannot be read`, { faults })
  return [...found.values()].sort((a, b) => compareBytes(a.name, b.name))
}

/** Pure. @throws WaybillError IMAGE_UNKNOWN where a name to update matches no image of the commit */
export function planLock(images: readonly ImageName[], locked: LockedImages, update: Update): LockPlan {
  const unknown = update.names.find((name) => !images.some((image) => matches(name, image)))
  if (unknown !== undefined) throw unknownImage(unknown, images)
  const isWanted = (image: ImageName) =>
    update.all === true || !locked.has(image.name) || update.names.some((name) => matches(name, image))
  const wanted = images.filter(isWanted)
  const used = new Set(images.map(({ name }) => name))
  const again = new Set(wanted.map(({ name }) => name))
  return {
    kept: new Map([...locked].filter(([name]) => used.has(name) && !again.has(name))),
    wanted,
    unused: [...locked.keys()].filter((name) => !used.has(name)),
  }
}

/** What became of each image, sorted by name. Pure. */
export function changesOf(before: LockedImages, after: LockedImages): readonly LockChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort(compareBytes)
  return names.map((name): LockChange => {
    const [previous, digest] = [before.get(name), after.get(name)]
    if (digest === undefined) return { name, change: 'removed', ...(previous === undefined ? {} : { previous }) }
    if (previous === undefined) return { name, change: 'added', digest }
    return previous === digest ? { name, change: 'kept', digest } : { name, change: 'updated', digest, previous }
  })
}

/** `nginx` and `docker.io/library/nginx` match every tag of it, `nginx:1.27` that one alone. */
function matches(name: string, image: ImageName): boolean {
  try {
    const asked = parseImageName(name)
    return asked.reference.tag === undefined
      ? asked.reference.repository === image.reference.repository
      : asked.name === image.name
  } catch {
    return false
  }
}

function unknownImage(name: string, images: readonly ImageName[]): WaybillError {
  const there = images.map((image) => image.name)
  return new WaybillError('IMAGE_UNKNOWN', `no image of the commit is ${JSON.stringify(name.slice(0, 200))}`, {
    hint: there.length === 0 ? 'The commit has no image with a tag and no digest.' : `There is ${there.join(', ')}.`,
  })
}
