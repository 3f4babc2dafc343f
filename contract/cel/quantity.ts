import assert from 'node:assert'
import { int, text } from './arguments.ts'
import type { FunctionTable, Implementation } from './implementation.ts'
import { EvaluationError, Opaque, type Result, Unknown, type Value } from './values.ts'

/** A quantity of Kubernetes, such as 500m or 1Gi, exactly: in billionths, which is as fine as they get. */
class Quantity extends Opaque {
  readonly type = 'kubernetes.Quantity'
  readonly nanos: bigint

  constructor(nanos: bigint) {
    super()
    this.nanos = nanos
  }

  equals(other: Opaque): boolean {
    return other instanceof Quantity && other.nanos === this.nanos
  }
}

const BILLION = 10n ** 9n
const MAX = (2n ** 63n - 1n) * BILLION
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }

/** apimachinery v0.36, api/resource/quantity.go: ParseQuantity. Finer than a billionth is rounded away from zero. */
export function parseQuantity(source: string): Quantity | EvaluationError | Unknown {
  const match = /^([-+]?)(\d*(?:\.\d*)?)(?:([eE][-+]?\d+)|([KMGTPE]i|[numkMGTPE]?))$/.exec(source)
  // Digits may be missing altogether: "m" is a quantity, and zero.
  if (match === null || source === '') return new EvaluationError('quantities must match the regular expression')
  const [, sign, number = '', exponent, suffix = ''] = match
  if (exponent !== undefined && exponent.length > 5) return new Unknown('a quantity of that size')
  const [whole = '', fraction = ''] = number.split('.')
  if (whole.length + fraction.length > 100) return new Unknown('a quantity of that many digits')
  const binary = BINARY.indexOf(suffix)
  const power = binary >= 0 ? 0 : exponent === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent.slice(1))
  const factor = binary >= 0 ? 1024n ** BigInt(binary + 1) : 1n
  // digits × factor × 10^shift is the value in billionths.
  const digits = BigInt(`${whole}${fraction}` || '0') * factor
  const shift = power + 9 - fraction.length
  const nanos = shift >= 0 ? digits * 10n ** BigInt(shift) : roundedUp(digits, 10n ** BigInt(-shift))
  if (nanos > MAX) return new Unknown('a quantity of that size')
  return new Quantity(sign === '-' ? -nanos : nanos)
}

function roundedUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by
}

function quantity(value: Value | undefined): Quantity {
  assert(value instanceof Quantity)
  return value
}

function isQuantity(source: string): Result {
  const parsed = parseQuantity(source)
  if (parsed instanceof Unknown) return parsed
  return parsed instanceof Quantity
}

function order(a: Value | undefined, b: Value | undefined): number {
  const [one, other] = [quantity(a).nanos, quantity(b).nanos]
  return one < other ? -1 : one > other ? 1 : 0
}

const plus = (a: bigint, b: bigint) => new Quantity(a + b)
const sign: Implementation = (value) => {
  const { nanos } = quantity(value)
  return nanos < 0n ? -1n : nanos > 0n ? 1n : 0n
}

/** Quantities of Kubernetes (apiserver v0.36, cel/library/quantity.go). */
export const QUANTITY_FUNCTIONS: FunctionTable = {
  functions: {
    'quantity(string): kubernetes.Quantity': (source) => parseQuantity(text(source)),
    'isQuantity(string): bool': (source) => isQuantity(text(source)),
    'sign(kubernetes.Quantity): int': sign,
  },
  methods: {
    'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool': (a, b) => order(a, b) > 0,
    'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool': (a, b) => order(a, b) < 0,
    'kubernetes.Quantity.compareTo(kubernetes.Quantity): int': (a, b) => BigInt(order(a, b)),
    'kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity': (a, b) =>
      plus(quantity(a).nanos, quantity(b).nanos),
    'kubernetes.Quantity.add(int): kubernetes.Quantity': (a, b) => plus(quantity(a).nanos, int(b) * BILLION),
    'kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity': (a, b) =>
      plus(quantity(a).nanos, -quantity(b).nanos),
    'kubernetes.Quantity.sub(int): kubernetes.Quantity': (a, b) => plus(quantity(a).nanos, -int(b) * BILLION),
  },
}
