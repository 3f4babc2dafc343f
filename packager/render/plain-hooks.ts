import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { ORDER_ANNOTATION } from '../../contract/ordering/annotations.ts'
import { faultAt, type RenderedObject } from './rendered.ts'

const HOOK = 'helm.sh/hook'

/** Objects of no chart that say they are hooks of one, which nobody reads there; those that tell Waybill when they come know that. */
export function plainHooks(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((rendered) => {
    const { metadata } = rendered.object
    const annotations = isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
    const isOrdered = Object.values(ORDER_ANNOTATION).some((name) => annotations[name] !== undefined)
    if (annotations[HOOK] === undefined || isOrdered) return []
    const message = `${HOOK} says nothing outside a chart: it is delivered as an ordinary object`
    return [faultAt(rendered, 'HOOK_IGNORED', message, ['metadata', 'annotations', HOOK])]
  })
}
