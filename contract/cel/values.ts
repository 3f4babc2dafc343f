import type { CelType } from './typing.ts'

/** A value of CEL: integers are bigint, doubles number. Values of Kubernetes' own types are Opaque. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | CelMap
  | Optional
  | TypeValue
  | Opaque
/** What evaluating gives: a value, an error as the API server would have it, or that it cannot be told here. */
export type Result = Value | EvaluationError | Unknown

export class EvaluationError {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

/** Something that only the API server knows. What does not depend on it has a value all the same: `false && unknown` is false. */
export class Unknown {
  readonly what: string
  constructor(what: string) {
    this.what = what
  }
}

export type MapKey = string | bigint | boolean

type Hidden = ReadonlyMap<MapKey, { readonly unknown: Unknown; readonly present: boolean }>

/**
 * A map, or an object. `hidden` are fields that the API server may fill, or drop; `present` ones are there, with an unknown value.
 * Where it is `open`, any other key may be there too.
 */
export class CelMap {
  readonly entries: ReadonlyMap<MapKey, Value>
  readonly hidden: Hidden | undefined
  readonly open: Unknown | undefined

  constructor(entries: ReadonlyMap<MapKey, Value>, hidden?: Hidden, open?: Unknown) {
    this.entries = entries
    this.hidden = hidden === undefined || hidden.size === 0 ? undefined : hidden
    this.open = open
  }

  /** undefined where it has no such key. */
  get(key: MapKey): Value | Unknown | undefined {
    const value = this.entries.get(key)
    return value === undefined ? (this.hidden?.get(key)?.unknown ?? this.open) : value
  }

  has(key: MapKey): boolean | Unknown {
    if (this.entries.has(key)) return true
    const hidden = this.hidden?.get(key)
    return hidden === undefined ? (this.open ?? false) : hidden.present || hidden.unknown
  }

  keys(): readonly MapKey[] | Unknown {
    if (this.open !== undefined) return this.open
    if (this.hidden === undefined) return [...this.entries.keys()]
    for (const { present, unknown } of this.hidden.values()) if (!present) return unknown
    return [...this.entries.keys(), ...this.hidden.keys()]
  }

  /** Keys that are there for sure. */
  get certainKeys(): readonly MapKey[] {
    const hidden = [...(this.hidden ?? [])].flatMap(([key, { present }]) => (present ? [key] : []))
    return [...this.entries.keys(), ...hidden]
  }

  /** Something in it that is not known. */
  get unknown(): Unknown | undefined {
    for (const { unknown } of this.hidden?.values() ?? []) return unknown
    return this.open
  }
}

export class Optional {
  readonly value: Value | undefined
  constructor(value: Value | undefined) {
    this.value = value
  }
}
export const NONE = new Optional(undefined)

export class TypeValue {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** A value of a type of Kubernetes' libraries, such as a quantity. */
export abstract class Opaque {
  abstract readonly type: string
  abstract equals(other: Opaque): boolean
}

export function isTrouble(result: Result): result is EvaluationError | Unknown {
  return result instanceof EvaluationError || result instanceof Unknown
}

export function isList(value: Result): value is readonly Value[] {
  return Array.isArray(value)
}

const unordered = new WeakSet<readonly Value[]>()

/** Marks a list of x-kubernetes-list-type set or map: how those compare in another order, and add up, is not built here. */
export function markUnordered(list: readonly Value[]): readonly Value[] {
  unordered.add(list)
  return list
}

export const UNORDERED = new Unknown('how lists of type set or map compare and add up')

export function isUnordered(list: readonly Value[]): boolean {
  return unordered.has(list)
}

export const noSuchOverload = new EvaluationError('no such overload')

/** The name of the type that `type()` gives. */
export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
  }
  if (value === null) return 'null_type'
  if (isList(value)) return 'list'
  if (value instanceof CelMap) return 'map'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof TypeValue) return 'type'
  return value.type
}

/** True where a value may be given for a parameter of a signature: of a list or a map, the first item is looked at, as in cel-go. */
export function fits(value: Value, { name, of }: CelType): boolean {
  // A type parameter has a name of one letter.
  if (name.length === 1 || name === 'dyn') return true
  if (typeNameOf(value) !== name) return false
  const [first, second] = of
  if (isList(value)) return first === undefined || value[0] === undefined || fits(value[0], first)
  if (!(value instanceof CelMap) || first === undefined || second === undefined) return true
  for (const [key, item] of value.entries) return fits(key, first) && fits(item, second)
  return true
}

/** Equality of CEL: numbers across their types, everything else within its own. */
export function equal(a: Value, b: Value): boolean | Unknown {
  if (typeof a === 'bigint' || typeof a === 'number')
    return (typeof b === 'bigint' || typeof b === 'number') && compare(a, b) === 0
  if (typeof a === 'string' || typeof a === 'boolean' || a === null) return a === b
  if (isList(a)) return isList(b) && equalLists(a, b)
  if (a instanceof CelMap) return b instanceof CelMap && equalMaps(a, b)
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false
    if (a.value === undefined || b.value === undefined) return a.value === b.value
    return equal(a.value, b.value)
  }
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  // An error on one side of == and false on the other, to cel-go.
  if (!(b instanceof Opaque) || a.type !== b.type) return new Unknown(`how ${a.type} compares with something else`)
  return a.equals(b)
}

function equalLists(a: readonly Value[], b: readonly Value[]): boolean | Unknown {
  if (a.length !== b.length) return false
  const inOrder = allEqual(a.map((one, i) => [one, b[i] ?? null]))
  return inOrder === false && (isUnordered(a) || isUnordered(b)) ? UNORDERED : inOrder
}

function equalMaps(a: CelMap, b: CelMap): boolean | Unknown {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const)
    for (const key of one.certainKeys) if (other.has(key) === false) return false
  const known = [...a.entries].flatMap(([key, value]) => {
    const other = b.entries.get(key)
    return other === undefined ? [] : [[value, other] as const]
  })
  const result = allEqual(known)
  if (result === false) return false
  return a.unknown ?? b.unknown ?? result
}

function allEqual(pairs: readonly (readonly [Value, Value])[]): boolean | Unknown {
  let unknown: Unknown | undefined
  for (const [a, b] of pairs) {
    const same = equal(a, b)
    if (same === false) return false
    if (same instanceof Unknown) unknown = same
  }
  return unknown ?? true
}

/** A number below, at or above 0; undefined where the two cannot be ordered, or one is not a number. */
export function compare(a: Value, b: Value): number | undefined {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0
  const [one, other] = [a, b].map((value) => (typeof value === 'bigint' ? Number(value) : value))
  // As cel-go has it, an integer is a double where the other is one; NaN is neither below nor above.
  if (typeof one === 'number' && typeof other === 'number')
    return one < other ? -1 : one > other ? 1 : one === other ? 0 : undefined
  return undefined
}

const SURROGATE = /[\ud800-\udfff]/

/** By code points, which is the order of their UTF-8 bytes. */
function compareText(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** The key of a map that a value is; undefined for what can be none. A whole double is the integer. */
export function keyOf(value: Value): MapKey | undefined {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined
}
