import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import type { DesiredObject } from './desired.ts'
import type { Refusal } from './refusal.ts'

/**
 * Why a CustomResourceDefinition may not be written: the store holds, or may hold, objects in a version (status.storedVersions of the live one) that
 * the one to be written no longer has. Nobody could read them any more. Pure; undefined for everything else.
 */
export function storedVersionsRefusal(
  { id, object, name }: Pick<DesiredObject, 'id' | 'object' | 'name'>,
  live: JsonObject,
): Refusal | undefined {
  if (id.group !== 'apiextensions.k8s.io' || id.kind !== 'CustomResourceDefinition') return undefined
  const stored = listAt(live.status, 'storedVersions').filter((version) => typeof version === 'string')
  const kept = new Set(listAt(object.spec, 'versions').map((version) => isJsonObject(version) && version.name))
  const lost = stored.filter((version) => !kept.has(version))
  if (lost.length === 0) return undefined
  const message = `objects of its kind are stored in ${lost.join(', ')}, which this release's definition lacks`
  return { object: name, code: 'CRD_VERSION_STORED', message }
}

function listAt(value: Json | undefined, field: string): readonly Json[] {
  const list = isJsonObject(value) ? value[field] : undefined
  return Array.isArray(list) ? list : []
}
