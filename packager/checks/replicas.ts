import { groupOf, isKubeObject, objectId, objectKey, objectName } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

/** No HorizontalPodAutoscaler has a target in its environment that declares replicas: each release would undo its work. */
export function checkReplicas(objects: readonly RenderedObject[]): readonly Fault[] {
  const scaled = new Map<string, RenderedObject>()
  for (const rendered of objects) {
    const key = targetKey(rendered)
    if (key !== undefined) scaled.set(key, rendered)
  }
  if (scaled.size === 0) return []
  return objects.flatMap((rendered) => {
    const { object, environment } = rendered
    if (!isKubeObject(object) || !isJsonObject(object.spec) || object.spec.replicas === undefined) return []
    const autoscaler = scaled.get(`${environment}/${objectKey(objectId(object))}`)
    if (autoscaler === undefined || !isKubeObject(autoscaler.object)) return []
    const message = `spec.replicas is declared, and ${objectName(objectId(autoscaler.object))} scales it`
    return [faultAt(rendered, 'REPLICAS_AUTOSCALED', message, ['spec', 'replicas'])]
  })
}

function targetKey({ environment, object }: RenderedObject): string | undefined {
  if (
    !isKubeObject(object) ||
    object.kind !== 'HorizontalPodAutoscaler' ||
    groupOf(object.apiVersion) !== 'autoscaling'
  )
    return undefined
  const target: Json | undefined = isJsonObject(object.spec) ? object.spec.scaleTargetRef : undefined
  if (!isJsonObject(target) || typeof target.kind !== 'string' || typeof target.name !== 'string') return undefined
  const group = typeof target.apiVersion === 'string' ? groupOf(target.apiVersion) : ''
  const id = { group, kind: target.kind, namespace: object.metadata.namespace ?? '', name: target.name }
  return `${environment}/${objectKey(id)}`
}
