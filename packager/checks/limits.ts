import { canonicalJson, isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

/** Every object is of a size and depth that the puller reads. */
export function checkLimits(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((rendered) => {
    if (depthOf(rendered.object) > LIMITS.jsonDepthMax)
      return [faultAt(rendered, 'LIMIT_EXCEEDED', `nested deeper than ${LIMITS.jsonDepthMax} levels`)]
    const bytes = Buffer.byteLength(canonicalJson(rendered.object), 'utf8')
    if (bytes <= LIMITS.objectBytesMax) return []
    return [faultAt(rendered, 'OBJECT_TOO_LARGE', `${bytes} bytes as JSON; ${LIMITS.objectBytesMax} are allowed`)]
  })
}

function depthOf(value: Json | undefined): number {
  if (!Array.isArray(value) && !isJsonObject(value)) return 0
  return 1 + Object.values(value).reduce<number>((deepest, item) => Math.max(deepest, depthOf(item)), 0)
}
