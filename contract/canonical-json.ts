import canonicalize from 'canonicalize'
import { WaybillError } from './errors.ts'
import { LIMITS } from './limits.ts'

/** Any value that JSON can hold. Integers outside the safe range are refused where a value enters (I-JSON, RFC 7493 §2.2). */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json | undefined }

/** RFC 8785 (JCS) bytes of a value: sorted keys, no white space, one way to write each number and string. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new WaybillError('INTERNAL', 'a value that JSON cannot hold was to be written')
  return text
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads JSON of at most LIMITS.jsonDepthMax levels. Depth is measured on the bytes, before parsing, so that deep nesting
 * costs nothing.
 * @throws WaybillError ARTIFACT_INVALID naming `what`
 */
export function parseJson(what: string, bytes: Uint8Array): Json {
  if (nestingOf(bytes) > LIMITS.jsonDepthMax)
    throw new WaybillError('ARTIFACT_INVALID', `${what}: nested deeper than ${LIMITS.jsonDepthMax} levels`)
  try {
    const value: Json = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    return value
  } catch {
    throw new WaybillError('ARTIFACT_INVALID', `${what}: not JSON in UTF-8`)
  }
}

/**
 * Reads bytes that must be exactly the RFC 8785 form of what they say: no duplicate keys, no second spelling, no
 * integer outside the safe range can hide in them.
 * @throws WaybillError ARTIFACT_INVALID naming `what`
 */
export function parseCanonicalJson(what: string, bytes: Uint8Array): Json {
  const value = parseJson(what, bytes)
  if (!Buffer.from(canonicalJson(value), 'utf8').equals(bytes))
    throw new WaybillError('ARTIFACT_INVALID', `${what}: not canonical JSON (RFC 8785)`)
  return value
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

function nestingOf(bytes: Uint8Array): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}
