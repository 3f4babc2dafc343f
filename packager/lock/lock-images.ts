import type { Digest } from '../../contract/digest.ts'
import { hasCode } from '../../contract/errors.ts'
import { replaceImages } from '../render/images.ts'
import type { Rendered } from '../render/rendered.ts'
import { parseImageName } from './image-name.ts'
import type { Lock, LockedImages } from './lock-file.ts'

/**
 * Writes the locked digest to every image that has none: `name:tag` becomes `name:tag@sha256:…`, as it was written otherwise, so
 * that people still read the tag. Images without an entry stay as they are; the lock's own faults join those of rendering.
 */
export function lockImages(rendered: Rendered, lock: Lock): Rendered {
  const faults = [...rendered.faults, ...lock.faults]
  if (lock.images.size === 0) return { ...rendered, faults }
  const locked = (image: string) => {
    const digest = lockedDigest(image, lock.images)
    return digest === undefined ? image : `${image}@${digest}`
  }
  const environments = Object.entries(rendered.environments).map(([name, objects]) => {
    const pinned = objects.map((object) => ({ ...object, object: replaceImages(object.object, locked) }))
    return [name, pinned] as const
  })
  return { ...rendered, environments: Object.fromEntries(environments), faults }
}

function lockedDigest(image: string, images: LockedImages): Digest | undefined {
  if (image.includes('@')) return undefined
  try {
    return images.get(parseImageName(image).name)
  } catch (error) {
    if (hasCode(error, 'REFERENCE_INVALID')) return undefined
    throw error
  }
}
