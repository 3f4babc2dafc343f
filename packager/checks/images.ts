import type { Fault } from '../../contract/errors.ts'
import { imagesOf } from '../render/images.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

const PINNED = /^[^@\s]+@sha256:[0-9a-f]{64}$/

/** Every container image has its digest, written out or from waybill.lock, in whatever kind carries a pod template. */
export function checkImages(objects: readonly RenderedObject[], rule: 'pinned' | 'any'): readonly Fault[] {
  return objects.flatMap((rendered) =>
    imagesOf(rendered.object).flatMap(({ path, image }) => {
      if (image.length > 1024) return [faultAt(rendered, 'LIMIT_EXCEEDED', 'an image of over 1024 characters', path)]
      if (rule === 'any' || PINNED.test(image)) return []
      return [
        faultAt(
          rendered,
          'IMAGE_UNPINNED',
          `image ${JSON.stringify(image.slice(0, 200))} has no digest, neither here nor in waybill.lock`,
          path,
        ),
      ]
    }),
  )
}
