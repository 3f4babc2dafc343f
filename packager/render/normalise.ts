import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'

/**
 * An object without what is not part of what was asked for: `stringData` becomes `data` (it wins over it, as in the API
 * server), `status`, empty namespaces, and the `creationTimestamp: null` that tools leave in metadata go.
 */
export function normalise(object: JsonObject): JsonObject {
  const { status: _status, ...rest } = withoutNullTimes(object)
  const named = isJsonObject(rest.metadata) ? { ...rest, metadata: withoutEmptyNamespace(rest.metadata) } : rest
  return named.apiVersion === 'v1' && named.kind === 'Secret' ? withoutStringData(named) : named
}

function withoutEmptyNamespace(metadata: JsonObject): JsonObject {
  const { namespace, ...rest } = metadata
  return namespace === '' || namespace === null ? rest : metadata
}

function withoutStringData(secret: JsonObject): JsonObject {
  const { stringData, ...rest } = secret
  if (stringData === undefined) return secret
  if (!isJsonObject(stringData) || !Object.values(stringData).every((value) => typeof value === 'string')) return secret
  const encoded = Object.entries(stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])
  return { ...rest, data: { ...(isJsonObject(rest.data) ? rest.data : {}), ...Object.fromEntries(encoded) } }
}

function withoutNullTimes(object: JsonObject): JsonObject {
  const entries = Object.entries(object).map(([key, value]) => {
    if (key === 'metadata' && isJsonObject(value) && value.creationTimestamp === null) {
      const { creationTimestamp: _time, ...metadata } = value
      return [key, cleaned(metadata)]
    }
    return [key, cleaned(value)]
  })
  return Object.fromEntries(entries)
}

function cleaned(value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.map((item: Json) => cleaned(item) ?? null)
  return isJsonObject(value) ? withoutNullTimes(value) : value
}
