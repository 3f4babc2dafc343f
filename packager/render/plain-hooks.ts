import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { ORDER_ANNOTATION } from '../../contract/ordering/annotations.ts'
import { faultAt, type RenderedObject } from './rendered.ts'

/** What other tools read an order from, and what it comes to here. */
const OTHERS: Readonly<Record<string, string>> = {
  'helm.sh/hook': 'says nothing outside a chart: it is delivered as an ordinary object',
  'argocd.argoproj.io/hook': 'is not read: it is delivered as an ordinary object',
  'argocd.argoproj.io/sync-wave': 'is not read: it comes in the order of its kind',
}

/** Objects of no chart that say they are hooks or of a wave of another tool, which nobody reads here; those that tell Waybill when they come know that. */
export function plainHooks(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((rendered) => {
    const { metadata } = rendered.object
    const annotations = isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
    const isOrdered = Object.values(ORDER_ANNOTATION).some((name) => annotations[name] !== undefined)
    if (isOrdered) return []
    return Object.entries(OTHERS).flatMap(([name, says]) =>
      annotations[name] === undefined
        ? []
        : [faultAt(rendered, 'HOOK_IGNORED', `${name} ${says}`, ['metadata', 'annotations', name])],
    )
  })
}
