import type { KubeObject } from '../contract/artifact/objects.ts'
import { LAST_APPLIED, splitSecret } from '../contract/artifact/secret-values.ts'
import { isJsonObject, type Json } from '../contract/canonical-json.ts'

const HIDDEN = '(redacted)'

/** The object as it may be printed: the values of a Secret are taken out, their keys stay. */
export function redactSecret(object: KubeObject): KubeObject {
  const { shown, hidden } = splitSecret(object)
  const { [LAST_APPLIED]: lastApplied, ...fields } = hidden
  const { metadata } = shown
  const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {}
  return {
    ...shown,
    ...(lastApplied === undefined
      ? {}
      : { metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: HIDDEN } } }),
    ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, hide(value)])),
  }
}

/** What is no mapping is no Secret, and is a secret all the same: `stringData: hunter2`. */
function hide(values: Json): Json {
  return isJsonObject(values) ? Object.fromEntries(Object.keys(values).map((key) => [key, HIDDEN])) : HIDDEN
}
