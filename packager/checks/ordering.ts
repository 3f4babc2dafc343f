import { groupOf, isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { ORDER_ANNOTATION } from '../../contract/ordering/annotations.ts'
import { orderOf } from '../../contract/ordering/order.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'
import { nearest } from '../schemas/suggest.ts'
import { RESERVED_ANNOTATIONS } from './reserved.ts'

/**
 * Waves, dependencies, run-once Jobs and prune guards are written so that the puller can follow them; objects that are named are in the
 * same environment, and nothing has to come before itself. Annotations of Waybill that do not exist are slips of the pen.
 */
export function checkOrdering(environments: Readonly<Record<string, readonly RenderedObject[]>>): readonly Fault[] {
  return Object.values(environments).flatMap((objects) => {
    const rendered = new Map<KubeObject, RenderedObject>()
    for (const one of objects) if (isKubeObject(one.object)) rendered.set(one.object, one)
    const faults = orderOf([...rendered.keys()]).faults.flatMap(({ code, object, annotation, message }) => {
      const where = rendered.get(object)
      return where === undefined ? [] : [faultAt(where, code, message, ['metadata', 'annotations', annotation])]
    })
    return [...faults, ...objects.flatMap(checkNames)]
  })
}

const OTHERS_DEPENDS_ON = 'config.kubernetes.io/depends-on'

/** Dependencies that are written for other tools alone. */
export function orderingWarnings(objects: readonly RenderedObject[]): readonly Fault[] {
  return objects.flatMap((rendered) => {
    const { metadata } = rendered.object
    const annotations = isJsonObject(metadata) && isJsonObject(metadata.annotations) ? metadata.annotations : {}
    if (annotations[OTHERS_DEPENDS_ON] === undefined || annotations[ORDER_ANNOTATION.dependsOn] !== undefined) return []
    const message = `${OTHERS_DEPENDS_ON} is not read: it comes in the order of its kind, whatever stands there`
    return [faultAt(rendered, 'DEPENDENCY_IGNORED', message, ['metadata', 'annotations', OTHERS_DEPENDS_ON])]
  })
}

const PREFIX = 'waybill.dev/'
/** Known ones, and those that another check refuses. */
const KNOWN: readonly string[] = [...Object.values(ORDER_ANNOTATION), ...RESERVED_ANNOTATIONS]

/** Deliveries and their like have annotations of their own. */
function checkNames(rendered: RenderedObject): readonly Fault[] {
  const { apiVersion, metadata } = rendered.object
  const isOurs = typeof apiVersion === 'string' && groupOf(apiVersion) === 'waybill.dev'
  if (isOurs || !isJsonObject(metadata) || !isJsonObject(metadata.annotations)) return []
  const unknown = Object.keys(metadata.annotations).filter((name) => name.startsWith(PREFIX) && !KNOWN.includes(name))
  return unknown.map((name) => {
    const meant = nearest(name, Object.values(ORDER_ANNOTATION))
    const message = `${name} means nothing to Waybill${meant === undefined ? '' : `: did you mean ${meant}?`}`
    return faultAt(rendered, 'ANNOTATION_INVALID', message, ['metadata', 'annotations', name])
  })
}
