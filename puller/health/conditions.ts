import type { KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/** One condition, as far as it may be repeated: controllers put what they were given into messages, so those are left out. */
export type SeenCondition = { readonly status: string; readonly reason: string }

/** A condition of the object's status. One that speaks of an older generation counts as absent. */
export function conditionOf(object: KubeObject, type: string): SeenCondition | undefined {
  const { conditions } = status(object)
  const found = objectsIn(conditions).find((condition) => condition.type === type)
  if (found === undefined) return undefined
  const { generation } = object.metadata
  if (
    typeof found.observedGeneration === 'number' &&
    typeof generation === 'number' &&
    found.observedGeneration < generation
  )
    return undefined
  return { status: word(found.status), reason: word(found.reason) }
}

/** ` (MinimumReplicasUnavailable)`, or nothing. */
export function said({ reason }: SeenCondition): string {
  return reason === '' ? '' : ` (${reason})`
}

/** False while status.observedGeneration is behind; objects without one count as observed. */
export function isObserved(object: KubeObject): boolean {
  const { generation } = object.metadata
  const { observedGeneration } = status(object)
  return typeof generation !== 'number' || typeof observedGeneration !== 'number' || observedGeneration >= generation
}

export function status({ status: value }: KubeObject): JsonObject {
  return isJsonObject(value) ? value : {}
}

export function spec({ spec: value }: KubeObject): JsonObject {
  return isJsonObject(value) ? value : {}
}

/** The objects of a list; none where it is no list. */
export function objectsIn(list: Json | undefined): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : []
}

/** The number, or `otherwise`. */
export function number(value: Json | undefined, otherwise = 0): number {
  return typeof value === 'number' ? value : otherwise
}

/** A CamelCase word of the API's, or nothing. */
export function word(value: Json | undefined): string {
  return typeof value === 'string' && /^[A-Za-z][\w,:.-]{0,127}$/.test(value) ? value : ''
}
