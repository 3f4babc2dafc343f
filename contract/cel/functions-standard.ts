import { double, int, list, map, optional, text } from './arguments.ts'
import type { FunctionTable, Implementation } from './implementation.ts'
import {
  CelMap,
  compare,
  EvaluationError,
  equal,
  isList,
  isUnordered,
  keyOf,
  NONE,
  noSuchOverload,
  Optional,
  type Result,
  TypeValue,
  typeNameOf,
  UNORDERED,
  Unknown,
  type Value,
} from './values.ts'

const overflow = new EvaluationError('integer overflow')
const INT_MAX = 2n ** 63n - 1n
const INT_DIGITS_MAX = 19

function bounded(value: bigint): Result {
  return value > INT_MAX || value < -INT_MAX - 1n ? overflow : value
}

function quotient(a: bigint, b: bigint): Result {
  return b === 0n ? new EvaluationError('division by zero') : bounded(a / b)
}

function remainder(a: bigint, b: bigint): Result {
  if (b === 0n) return new EvaluationError('modulus by zero')
  return b === -1n && a < -INT_MAX ? overflow : a % b
}

/** True, false or unknown, where a list holds a value. */
export function contains(items: readonly Value[], wanted: Value): boolean | Unknown {
  let unknown: Unknown | undefined
  for (const item of items) {
    const same = equal(item, wanted)
    if (same === true) return true
    if (same instanceof Unknown) unknown = same
  }
  return unknown ?? false
}

function order(sign: (order: number) => boolean): Readonly<Record<'run', Implementation>> {
  const run: Implementation = (a, b) => {
    const found = compare(a ?? null, b ?? null)
    return found === undefined ? noNumber(a, b) : sign(found)
  }
  return { run }
}

/** NaN is neither below nor above anything: cel-go says so by an error. */
function noNumber(...values: readonly (Value | undefined)[]): Result {
  return values.some((value) => Number.isNaN(value))
    ? new EvaluationError('NaN values cannot be ordered')
    : noSuchOverload
}

function orderings(operator: string, sign: (order: number) => boolean): Readonly<Record<string, Implementation>> {
  const pairs = ['bool, bool', 'int, int', 'int, double', 'double, double', 'double, int', 'string, string']
  const others = ['int, uint', 'uint, uint', 'uint, int', 'uint, double', 'double, uint', 'bytes, bytes']
  pairs.push(...others, 'timestamp, timestamp', 'duration, duration')
  return Object.fromEntries(pairs.map((pair) => [`_${operator}_(${pair}): bool`, order(sign).run]))
}

function indexList(items: readonly Value[], index: Value): Result {
  const at = keyOf(index)
  if (typeof at !== 'bigint') return new EvaluationError(`unsupported index type '${typeNameOf(index)}' in list`)
  const item = at < 0n || at >= BigInt(items.length) ? undefined : items[Number(at)]
  return item === undefined ? new EvaluationError(`index out of bounds: ${at}`) : item
}

function indexMap(entries: CelMap, key: Value): Result {
  const at = keyOf(key)
  const value = at === undefined ? undefined : entries.get(at)
  return value === undefined ? new EvaluationError(`no such key: ${String(at)}`) : value
}

/** What stands in a list or a map; of an optional one, an optional. */
export function index(container: Value, key: Value): Result {
  if (container instanceof Optional) return optionalIndex(container, key)
  if (container instanceof CelMap) return indexMap(container, key)
  return isList(container) ? indexList(container, key) : noSuchOverload
}

/** An index of something that may be absent: what is not there is none. */
export function optionalIndex(container: Value, key: Value): Result {
  const inside = container instanceof Optional ? container.value : container
  if (inside === undefined) return NONE
  if (inside instanceof CelMap) {
    const at = keyOf(key)
    const value = at === undefined ? undefined : inside.get(at)
    if (value instanceof Unknown) return value
    return value === undefined ? NONE : new Optional(value)
  }
  if (!isList(inside)) return NONE
  const at = keyOf(key)
  if (typeof at !== 'bigint') return new EvaluationError(`unsupported index type '${typeNameOf(key)}' in list`)
  const item = at < 0n ? undefined : inside[Number(at)]
  return item === undefined ? NONE : new Optional(item)
}

/** Compiled as a special form: its arguments are not looked at here. */
const special: Implementation = () => noSuchOverload

function inMap(key: Value, entries: CelMap): Result {
  const at = keyOf(key)
  return at === undefined ? false : entries.has(at)
}

function sizeOf(value: Value): Result {
  if (typeof value === 'string') return BigInt([...value].length)
  if (isList(value)) return BigInt(value.length)
  const keys = map(value).keys()
  return keys instanceof Unknown ? keys : BigInt(keys.length)
}

const size: Implementation = (value = null) => sizeOf(value)

function toInt(value: string): Result {
  // Go's ParseInt of base 10.
  const [, sign = '', digits = ''] = /^([-+]?)0*(\d+)$/.exec(value) ?? []
  if (digits === '') return new EvaluationError('type conversion error')
  return digits.length > INT_DIGITS_MAX ? overflow : bounded(BigInt(sign === '-' ? `-${digits}` : digits))
}

function doubleToInt(value: number): Result {
  // The bounds themselves are no doubles that int64 holds.
  if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) return overflow
  return BigInt(Math.trunc(value))
}

function toDouble(value: string): Result {
  const decimal = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/.test(value)
  if (decimal && Number.isFinite(Number(value))) return Number(value)
  const named = /^([-+]?)(?:inf|infinity)$/i.exec(value)
  if (named !== null) return named[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return /^nan$/i.test(value) ? Number.NaN : new EvaluationError('type conversion error')
}

function toBool(value: string): Result {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
  return new EvaluationError('type conversion error')
}

/** Go's %g: exponents from six digits on, of at least two digits. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)

  if (power >= -4 && power < 6) return Object.is(value, -0) ? '-0' : String(value)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

const typeOfValue: Implementation = (value = null) => new TypeValue(typeNameOf(value))
const same: Implementation = (value = null) => value

/**
 * Overloads for values that there are none of here. They count where types are checked: null may be a time, and what two dyn
 * give when they are added is not known.
 */
const TYPED_ONLY = [
  ...['+', '-', '*', '/', '%'].map((operator) => `_${operator}_(uint, uint): uint`),
  ...['+', '-'].map((operator) => `_${operator}_(duration, duration): duration`),
  ...['+', '-'].map((operator) => `_${operator}_(timestamp, duration): timestamp`),
  '_+_(duration, timestamp): timestamp',
  '_-_(timestamp, timestamp): duration',
  '_+_(bytes, bytes): bytes',
  'size(bytes): int',
  ...['uint', 'timestamp', 'duration'].map((type) => `int(${type}): int`),
  'double(uint): double',
  ...['bytes', 'uint', 'timestamp', 'duration'].map((type) => `string(${type}): string`),
]

/** Operators, conversions and what optional values have (cel-go v0.26: common/stdlib, cel/library.go). */
export const STANDARD_FUNCTIONS: FunctionTable = {
  functions: {
    ...Object.fromEntries(TYPED_ONLY.map((signature) => [signature, special])),
    '_?_:_(bool, A, A): A': special,
    '_&&_(bool, bool): bool': special,
    '_||_(bool, bool): bool': special,
    '!_(bool): bool': (value) => value !== true,
    '-_(int): int': (value) => bounded(-int(value)),
    '-_(double): double': (value) => -double(value),
    '_==_(A, A): bool': (a = null, b = null) => equal(a, b),
    '_!=_(A, A): bool': (a = null, b = null) => {
      const same = equal(a, b)
      return same instanceof Unknown ? same : !same
    },
    ...orderings('<', (order) => order < 0),
    ...orderings('<=', (order) => order <= 0),
    ...orderings('>', (order) => order > 0),
    ...orderings('>=', (order) => order >= 0),
    '_+_(int, int): int': (a, b) => bounded(int(a) + int(b)),
    '_+_(double, double): double': (a, b) => double(a) + double(b),
    '_+_(string, string): string': (a, b) => text(a) + text(b),
    '_+_(list<A>, list<A>): list<A>': (a, b) => (isUnordered(list(a)) ? UNORDERED : [...list(a), ...list(b)]),
    '_-_(int, int): int': (a, b) => bounded(int(a) - int(b)),
    '_-_(double, double): double': (a, b) => double(a) - double(b),
    '_*_(int, int): int': (a, b) => bounded(int(a) * int(b)),
    '_*_(double, double): double': (a, b) => double(a) * double(b),
    '_/_(int, int): int': (a, b) => quotient(int(a), int(b)),
    '_/_(double, double): double': (a, b) => double(a) / double(b),
    '_%_(int, int): int': (a, b) => remainder(int(a), int(b)),
    '_in_(A, list<A>): bool': (item = null, items) => contains(list(items), item),
    '_in_(A, map<A, B>): bool': (key = null, entries) => inMap(key, map(entries)),
    '_[_](list<A>, int): A': special,
    '_[_](map<A, B>, A): B': special,
    '_[_](optional<list<A>>, int): optional<A>': special,
    '_[_](optional<map<A, B>>, A): optional<B>': special,
    '_[?_](list<A>, int): optional<A>': special,
    '_[?_](map<A, B>, A): optional<B>': special,
    '_[?_](optional<list<A>>, int): optional<A>': special,
    '_[?_](optional<map<A, B>>, A): optional<B>': special,
    'size(string): int': size,
    'size(list<A>): int': size,
    'size(map<A, B>): int': size,
    'type(A): type': typeOfValue,
    'dyn(A): dyn': same,
    'bool(bool): bool': same,
    'bool(string): bool': (value) => toBool(text(value)),
    'int(int): int': same,
    'int(double): int': (value) => doubleToInt(double(value)),
    'int(string): int': (value) => toInt(text(value)),
    'double(double): double': same,
    'double(int): double': (value) => Number(int(value)),
    'double(string): double': (value) => toDouble(text(value)),
    'string(string): string': same,
    'string(bool): string': String,
    'string(int): string': String,
    'string(double): string': (value) => doubleText(double(value)),
    'optional.none(): optional<A>': () => NONE,
    'optional.of(A): optional<A>': (value = null) => new Optional(value),
    'optional.ofNonZeroValue(A): optional<A>': (value = null) => (isZero(value) ? NONE : new Optional(value)),
    'optional.unwrap(list<optional<A>>): list<A>': (values) => unwrap(list(values)),
  },
  methods: {
    'string.size(): int': size,
    'bytes.size(): int': special,
    'list<A>.size(): int': size,
    'map<A, B>.size(): int': size,
    'optional<A>.hasValue(): bool': (value) => optional(value).value !== undefined,
    'optional<A>.value(): A': (value) => optional(value).value ?? held(optional(value)),
    'optional<A>.or(optional<A>): optional<A>': special,
    'optional<A>.orValue(A): A': special,
    'list<optional<A>>.unwrapOpt(): list<A>': (values) => unwrap(list(values)),
  },
}

function held({ value }: Optional): Result {
  return value === undefined ? new EvaluationError('optional.none() dereference') : value
}

function unwrap(values: readonly Value[]): Result {
  const found: Value[] = []
  for (const value of values) {
    if (!(value instanceof Optional)) return noSuchOverload
    if (value.value !== undefined) found.push(value.value)
  }
  return found
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0n || value === 0 || value === '') return true
  if (isList(value)) return value.length === 0
  if (value instanceof CelMap) return value.entries.size === 0 && value.unknown === undefined
  return value instanceof Optional && value.value === undefined
}
