/**
 * How two readers take one plain (unquoted, untagged) YAML scalar. Where they differ, a person must say which is meant.
 */

/** NaN and the infinities are numbers here; JSON cannot hold them, and the caller refuses them. */
export type Scalar = null | boolean | number | bigint | string

/** YAML 1.2.2 §10.3.2, the core schema. */
export function readCore(text: string): Scalar {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return null
  if (/^(?:true|True|TRUE)$/.test(text)) return true
  if (/^(?:false|False|FALSE)$/.test(text)) return false
  if (/^[-+]?[0-9]+$/.test(text)) return wholeNumber(text.replace(/^\+/, ''))
  if (/^0o[0-7]+$/.test(text) || /^0x[0-9a-fA-F]+$/.test(text)) return wholeNumber(text)
  return readFloat(text) ?? readInfinity(text) ?? text
}

const YES = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'])
const NO = new Set(['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'])

/**
 * kubectl: sigs.k8s.io/yaml v1.6, goyaml.v2/resolve.go. Booleans of YAML 1.1; integers as Go's ParseInt with base 0, underscores
 * taken out; floats that are out of range stay strings, and so do times.
 */
export function readKubectl(text: string): Scalar {
  if (/^(?:|~|null|Null|NULL)$/.test(text)) return null
  if (YES.has(text)) return true
  if (NO.has(text)) return false
  const infinity = readInfinity(text)
  if (infinity !== undefined) return infinity
  // The first character decides whether it is looked at as a number at all, before underscores are taken out.
  if (!/^[-+.0-9]/.test(text)) return text
  // Go's ParseFloat, which takes single underscores between digits.
  if (text.startsWith('.'))
    return /(?<!\d)_|_(?!\d)/.test(text) ? text : (finite(readFloat(text.replaceAll('_', ''))) ?? text)
  const plain = text.replaceAll('_', '')
  return readGoInteger(plain) ?? finite(readFloat(plain)) ?? text
}

/** True when both readers take it the same; 8 and 8.0 are the same number in JSON. */
export function sameReading(a: Scalar, b: Scalar): boolean {
  if (typeof a === 'bigint' || typeof b === 'bigint') return typeof a === typeof b && a === b
  return Object.is(a, b) || a === b
}

const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** strconv.ParseInt, then ParseUint, with base 0; what neither takes is undefined. */
function readGoInteger(text: string): Scalar | undefined {
  const match = /^([-+]?)(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))$/.exec(text)
  // goyaml takes 0b off, and has the rest parsed with its sign.
  if (match === null) return /^0b[-+][01]+$/.test(text) ? readGoInteger(`${text[2]}0b${text.slice(3)}`) : undefined
  const [, sign, hex, binary, octal, decimal] = match
  const digits = hex ?? binary ?? (octal === undefined ? decimal : `0o${octal}`)
  if (digits === undefined) return undefined
  const value = sign === '-' ? -BigInt(digits.toLowerCase()) : BigInt(digits.toLowerCase())
  if (value < MIN_INT64 || value > MAX_UINT64) return undefined
  return shrink(value)
}

function readFloat(text: string): number | undefined {
  return /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text) ? Number(text) : undefined
}

function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

function readInfinity(text: string): number | undefined {
  if (/^\+?\.(?:inf|Inf|INF)$/.test(text)) return Number.POSITIVE_INFINITY
  if (/^-\.(?:inf|Inf|INF)$/.test(text)) return Number.NEGATIVE_INFINITY
  return /^\.(?:nan|NaN|NAN)$/.test(text) ? Number.NaN : undefined
}

function wholeNumber(text: string): Scalar {
  return shrink(text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text))
}

/** A bigint only where a number would not be exact. */
function shrink(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
