import { type Digest, parseDigest } from '../../contract/digest.ts'
import { WaybillError } from '../../contract/errors.ts'
import { parseReference, type Reference } from '../../contract/reference.ts'
import { parseImageName } from '../lock/image-name.ts'

/** A container image that a release names, and where its manifest is. */
export type PinnedImage = { readonly image: string; readonly repository: Reference; readonly digest: Digest }

/**
 * Reads the images of a release; the same digest of the same repository counts once.
 * @throws WaybillError IMAGE_UNPINNED naming every image without a digest, REFERENCE_INVALID
 */
export function pinnedImages(images: readonly string[]): readonly PinnedImage[] {
  const unpinned = images.filter((image) => !image.includes('@'))
  if (unpinned.length > 0)
    throw new WaybillError('IMAGE_UNPINNED', `without a digest nobody knows what to copy: ${unpinned.join(', ')}`)
  const each = images.map((image) => {
    const at = image.indexOf('@')
    const { reference } = parseImageName(image.slice(0, at))
    return { image, repository: reference, digest: parseDigest(image.slice(at + 1)) }
  })
  return [...new Map(each.map((one) => [`${one.repository.repository}@${one.digest}`, one])).values()]
}

/** The repository below a prefix that takes an image: the image's own path, as mirrors of container runtimes have it. */
export function mirrored({ path }: Reference, prefix: Reference): Reference {
  return parseReference(`${prefix.repository}/${path}`)
}
