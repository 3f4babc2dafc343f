import type { KubeObject } from '../contract/artifact/objects.ts'
import { isJsonObject, type Json } from '../contract/canonical-json.ts'

const HIDDEN = '(redacted)'
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** The object as it may be printed: the values of a Secret are taken out, their keys stay. */
export function redactSecret(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret') return object
  const { data, stringData, metadata } = object
  const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  return {
    ...object,
    ...(LAST_APPLIED in annotations
      ? { metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: HIDDEN } } }
      : {}),
    ...(data === undefined ? {} : { data: hide(data) }),
    ...(stringData === undefined ? {} : { stringData: hide(stringData) }),
  }
}

/** What is no mapping is no Secret, and is a secret all the same: `stringData: hunter2`. */
function hide(values: Json): Json {
  return isJsonObject(values) ? Object.fromEntries(Object.keys(values).map((key) => [key, HIDDEN])) : HIDDEN
}
