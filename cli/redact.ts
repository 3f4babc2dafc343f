import { isJsonObject, type JsonObject } from '../contract/canonical-json.ts'
import type { KubeObject } from '../contract/objects.ts'

const HIDDEN = '(redacted)'
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The object as it may be printed: the values of a Secret are taken out, their keys stay. */
export function redactSecret(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret' || object.apiVersion !== 'v1') return object
  const { data, stringData, metadata } = object
  const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  return {
    ...object,
    ...(LAST_APPLIED in annotations
      ? { metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: HIDDEN } } }
      : {}),
    ...(isJsonObject(data) ? { data: hide(data) } : {}),
    ...(isJsonObject(stringData) ? { stringData: hide(stringData) } : {}),
  }
}

function hide(values: JsonObject): JsonObject {
  return Object.fromEntries(Object.keys(values).map((key) => [key, HIDDEN]))
}
