import { int, list } from './arguments.ts'
import { contains } from './functions-standard.ts'
import type { FunctionTable, Implementation } from './implementation.ts'
import { sortedBy } from './macros.ts'
import {
  compare,
  EvaluationError,
  equal,
  isList,
  NONE,
  noSuchOverload,
  Optional,
  type Result,
  Unknown,
  type Value,
} from './values.ts'

/** There are no values of the last four here, but lists of dyn may be of them where types are checked. */
const COMPARABLE = ['int', 'double', 'bool', 'string', 'uint', 'duration', 'timestamp', 'bytes']
const RANGE_MAX = 100_000n

function forEachType(method: (type: string) => string, run: Implementation, types = COMPARABLE) {
  return Object.fromEntries(types.map((type) => [method(type), run]))
}

const isSorted: Implementation = (items) => {
  const values = list(items)
  for (const [i, value] of values.entries()) {
    const before = values[i - 1]
    if (before === undefined) continue
    const order = compare(before, value)
    // What cannot be compared is not out of order, as Kubernetes has it.
    if (order !== undefined && order > 0) return false
  }
  return true
}

function sum(zero: bigint | number): Implementation {
  return (items) => {
    let total: bigint | number = zero
    for (const item of list(items)) {
      if (typeof total === 'bigint' && typeof item === 'bigint') total += item
      else if (typeof total === 'number' && typeof item === 'number') total += item
      else return noSuchOverload
      if (typeof total === 'bigint' && BigInt.asIntN(64, total) !== total)
        return new EvaluationError('integer overflow')
    }
    return total
  }
}

function extreme(name: string, wanted: 1 | -1): Implementation {
  return (items) => {
    const [first, ...others] = list(items)
    if (first === undefined) return new EvaluationError(`${name} called on empty list`)
    let found = first
    for (const item of others) {
      const order = compare(item, found)
      if (order !== undefined && Math.sign(order) === wanted) found = item
    }
    return found
  }
}

function indexOf(items: readonly Value[], wanted: Value): Result {
  for (const [i, item] of items.entries()) {
    const same = equal(item, wanted)
    if (same instanceof Unknown) return same
    if (same) return BigInt(i)
  }
  return -1n
}

function lastIndexOf(items: readonly Value[], wanted: Value): Result {
  const found = indexOf(items.toReversed(), wanted)
  return typeof found === 'bigint' && found >= 0n ? BigInt(items.length) - 1n - found : found
}

function distinct(items: readonly Value[]): Result {
  const found: Value[] = []
  for (const item of items) {
    const seen = contains(found, item)
    if (seen instanceof Unknown) return seen
    if (!seen) found.push(item)
  }
  return found
}

function slice(items: readonly Value[], start: bigint, end: bigint): Result {
  if (start < 0n || end < 0n || start > end || BigInt(items.length) < end)
    return new EvaluationError(`cannot slice(${start}, ${end}), list is length ${items.length}`)
  return items.slice(Number(start), Number(end))
}

function flatten(items: readonly Value[], depth: bigint): Value[] {
  return items.flatMap((item) => (isList(item) && depth > 0n ? flatten(item, depth - 1n) : [item]))
}

function range(count: bigint): Result {
  if (count > RANGE_MAX) return new Unknown('a range of that size')
  return Array.from({ length: Number(count < 0n ? 0n : count) }, (_, i) => BigInt(i))
}

function containsAll(items: readonly Value[], wanted: readonly Value[]): boolean | Unknown {
  let unknown: Unknown | undefined
  for (const one of wanted) {
    const found = contains(items, one)
    if (found === false) return false
    if (found instanceof Unknown) unknown = found
  }
  return unknown ?? true
}

function equivalent(a: readonly Value[], b: readonly Value[]): boolean | Unknown {
  const one = containsAll(a, b)
  if (one === false) return false
  const other = containsAll(b, a)
  return one instanceof Unknown && other !== false ? one : other
}

function intersects(a: readonly Value[], b: readonly Value[]): boolean | Unknown {
  let unknown: Unknown | undefined
  for (const one of a) {
    const found = contains(b, one)
    if (found === true) return true
    if (found instanceof Unknown) unknown = found
  }
  return unknown ?? false
}

function at(items: readonly Value[], index: number): Result {
  const item = items.at(index)
  return item === undefined ? NONE : new Optional(item)
}

/** Lists: Kubernetes' own functions, version 3 of the lists extension, and sets (cel-go v0.26). */
export const LIST_FUNCTIONS: FunctionTable = {
  functions: {
    'lists.range(int): list<int>': (count) => range(int(count)),
    'sets.contains(list<A>, list<A>): bool': (a, b) => containsAll(list(a), list(b)),
    'sets.equivalent(list<A>, list<A>): bool': (a, b) => equivalent(list(a), list(b)),
    'sets.intersects(list<A>, list<A>): bool': (a, b) => intersects(list(a), list(b)),
  },
  methods: {
    ...forEachType((type) => `list<${type}>.isSorted(): bool`, isSorted),
    ...forEachType((type) => `list<${type}>.min(): ${type}`, extreme('min', -1)),
    ...forEachType((type) => `list<${type}>.max(): ${type}`, extreme('max', 1)),
    ...forEachType(
      (type) => `list<${type}>.sort(): list<${type}>`,
      (items) => sortedBy(list(items).map((item) => ({ item, key: item }))),
    ),
    'list<int>.sum(): int': sum(0n),
    'list<double>.sum(): double': sum(0),
    'list<uint>.sum(): uint': () => noSuchOverload,
    'list<duration>.sum(): duration': () => noSuchOverload,
    'list<A>.indexOf(A): int': (items, wanted = null) => indexOf(list(items), wanted),
    'list<A>.lastIndexOf(A): int': (items, wanted = null) => lastIndexOf(list(items), wanted),
    'list<A>.slice(int, int): list<A>': (items, start, end) => slice(list(items), int(start), int(end)),
    'list<list<A>>.flatten(): list<A>': (items) => flatten(list(items), 1n),
    'list<dyn>.flatten(int): list<dyn>': (items, depth) =>
      int(depth) < 0n ? new EvaluationError('level must be non-negative') : flatten(list(items), int(depth)),
    'list<A>.reverse(): list<A>': (items) => list(items).toReversed(),
    'list<A>.distinct(): list<A>': (items) => distinct(list(items)),
    'list<A>.first(): optional<A>': (items) => at(list(items), 0),
    'list<A>.last(): optional<A>': (items) => at(list(items), -1),
  },
}
