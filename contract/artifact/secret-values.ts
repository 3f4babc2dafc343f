import { isJsonObject, type Json } from '../canonical-json.ts'
import type { KubeObject } from './objects.ts'

/** kubectl keeps a copy of the whole object in it, values included. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** What of a Secret is no value: everything else at its top level may be one, in the wrong place or misspelt. */
const SHOWN = new Set(['apiVersion', 'kind', 'metadata', 'type', 'immutable'])

/** A Secret's fields by whether they may be shown. */
export type SplitSecret = {
  /** Without what is hidden. */
  readonly shown: KubeObject
  /** By field: `data` and its like, and the annotation `LAST_APPLIED`. Never to be printed, counted or hashed. */
  readonly hidden: Readonly<Record<string, Json>>
}

/** Takes apart what may be shown of an object and what may not: nothing is hidden of what is no Secret, of whatever group. */
export function splitSecret(object: KubeObject): SplitSecret {
  if (object.kind !== 'Secret') return { shown: object, hidden: {} }
  const { apiVersion, kind, metadata } = object
  const fields = Object.entries(object).filter(([name]) => SHOWN.has(name))
  const values = Object.entries(object).flatMap(([name, value]) =>
    SHOWN.has(name) || value === undefined ? [] : [[name, value] as const],
  )
  const { annotations } = metadata
  if (!isJsonObject(annotations) || annotations[LAST_APPLIED] === undefined)
    return { shown: { ...Object.fromEntries(fields), apiVersion, kind, metadata }, hidden: Object.fromEntries(values) }
  const { [LAST_APPLIED]: lastApplied, ...others } = annotations
  return {
    shown: { ...Object.fromEntries(fields), apiVersion, kind, metadata: { ...metadata, annotations: others } },
    hidden: { ...Object.fromEntries(values), [LAST_APPLIED]: lastApplied },
  }
}
