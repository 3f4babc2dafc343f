import { createHash } from 'node:crypto'
import { isJsonObject, type Json, type JsonObject } from '../canonical-json.ts'

/** A Kubernetes object as it is packed and applied: plain JSON with apiVersion, kind and metadata.name. */
export type KubeObject = JsonObject & {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: JsonObject & { readonly name: string; readonly namespace?: string }
}

/** What makes an object one and the same for Waybill: group-kind, namespace ('' for none) and name; not the version. */
export type ObjectId = {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Narrows a JSON value to a Kubernetes object: apiVersion, kind, metadata.name are non-empty strings, namespace a string or absent. */
export function isKubeObject(value: Json | undefined): value is KubeObject {
  if (!isJsonObject(value)) return false
  const { apiVersion, kind, metadata } = value
  if (!isJsonObject(metadata)) return false
  const named = (field: Json | undefined) => typeof field === 'string' && field !== ''
  return (
    named(apiVersion) &&
    named(kind) &&
    named(metadata.name) &&
    (metadata.namespace === undefined || named(metadata.namespace))
  )
}

/** `apps/v1` → `apps`; `v1` → ``. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

export function objectId(object: KubeObject): ObjectId {
  return {
    group: groupOf(object.apiVersion),
    kind: object.kind,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
  }
}

/** A key for maps and sorting: two objects have the same one exactly when they are the same to Waybill. */
export function objectKey(id: ObjectId): string {
  return `${id.group}/${id.kind}/${id.namespace}/${id.name}`
}

/** How a person reads it: `Deployment.apps production/api`, `Namespace production`. */
export function objectName(id: ObjectId): string {
  const kind = id.group === '' ? id.kind : `${id.kind}.${id.group}`
  return `${kind} ${id.namespace === '' ? '' : `${id.namespace}/`}${id.name}`
}

const FILE_STEM_MAX = 200

/**
 * Where an object stands inside its environment's folder: `<namespace or _>/<kind>[.<group>]/<name>.json`, lower-case
 * kind, everything outside `[A-Za-z0-9.-]` percent-encoded (`:` is `%3A`); a stem over 200 characters is cut to 160 and
 * gets 16 hex digits of its sha256, so that every file system takes it.
 */
export function objectPath(id: ObjectId): string {
  const kind = (id.group === '' ? id.kind : `${id.kind}.${id.group}`).toLowerCase()
  return `${id.namespace === '' ? '_' : fileStem(id.namespace)}/${fileStem(kind)}/${fileStem(id.name)}.json`
}

function fileStem(text: string): string {
  const encoded = [...new TextEncoder().encode(text)]
    .map((byte) => {
      const char = String.fromCharCode(byte)
      return /[A-Za-z0-9.-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
    .replace(/^\./, '%2E')
  if (encoded.length <= FILE_STEM_MAX) return encoded
  return `${encoded.slice(0, 160)}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}
