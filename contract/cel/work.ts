import { LIMITS } from '../limits.ts'
import type { Frame, Node } from './node.ts'
import { patternOf, patternSize } from './patterns.ts'
import { CelMap, isList, Optional, type Result, Unknown, type Value } from './values.ts'

/**
 * What evaluating costs, in units of about one operation, so that no expression and no object keep the program busy for long. Undefined
 * while the frame has some left.
 */
export function spend(frame: Frame, units: number): Unknown | undefined {
  frame.work = (frame.work ?? 0) + units
  return frame.work > (frame.workMax ?? LIMITS.policyWorkMax) ? SPENT : undefined
}

/** What stands for the value of an expression that costs more than it may. */
export const SPENT = new Unknown('more work than one evaluation may take')

/** The same, and it counts. */
export function metered({ type, run }: Node): Node {
  return { type, run: (frame) => spend(frame, 1) ?? run(frame) }
}

/** Characters that are looked at in one unit. */
const CHARS = 64
/** Items that are put into a list in one unit. */
const ITEMS = 8
/** Steps that a regular expression takes in one unit: one for each character and each of its instructions. */
const PATTERN_STEPS = 10

/** Characters that a search compares in one unit. */
const COMPARISONS = 128
/** Functions that look for text in text. */
const SEARCHES = new Set(['contains', 'indexOf', 'lastIndexOf', 'split', 'replace'])

/** Functions that look at the outside of lists and maps only. */
const SHALLOW = new Set(
  'size first last slice reverse flatten _+_ dyn type of none ofNonZeroValue hasValue value unwrap unwrapOpt'.split(
    ' ',
  ),
)
/** Functions that compare everything in one list with everything in another, or the same. */
const SQUARE = new Set(['distinct', 'contains', 'equivalent', 'intersects'])

/** What calling a function costs beyond the call itself. */
export function callCost(name: string, args: readonly Value[]): number {
  const [first = null, second = null] = args
  const short = name.slice(name.lastIndexOf('.') + 1)
  if (short === 'matches' || short === 'find' || short === 'findAll') return matchCost(first, second)
  if (short === '_in_' && second instanceof CelMap) return 0
  if (typeof first === 'string' && SEARCHES.has(short)) return searchCost(first.length, args)
  if (short === 'indexOf' || short === 'lastIndexOf') return weight(first) * (1 + weight(second))
  if (SQUARE.has(short) && isList(first)) return weight(first) * weight(isList(second) ? second : first)
  return args.reduce<number>((sum, arg) => sum + (SHALLOW.has(short) ? surface(arg) : weight(arg)), 0)
}

/** Text in text, compared at each place in the worst case; what is put in its stead, as often as there are characters. */
function searchCost(length: number, [, wanted = null, by = null]: readonly Value[]): number {
  return (length * (1 + lengthOf(wanted))) / COMPARISONS + (length * (1 + lengthOf(by))) / CHARS
}

/** What a call cost beyond that, as its result shows: each match may have looked at all of the text. */
export function resultCost(name: string, args: readonly Value[], result: Result): number {
  const matches = name === 'findAll' && isList(result) ? result.length * matchCost(args[0] ?? null, args[1] ?? null) : 0
  return surface(result) + matches
}

function surface(value: Result): number {
  if (typeof value === 'string') return value.length / CHARS
  return isList(value) ? value.length / ITEMS : 0
}

function matchCost(value: Value, pattern: Value): number {
  if (typeof pattern !== 'string') return 0
  const size = patternSize(pattern)
  if (size > LIMITS.patternSizeMax) return Number.POSITIVE_INFINITY
  const compiled = patternOf(pattern)
  // Compiling counts each time, so that the cost does not depend on what was evaluated before.
  return size + (typeof compiled === 'string' ? 0 : (lengthOf(value) * compiled.programSize()) / PATTERN_STEPS)
}

function lengthOf(value: Value): number {
  return typeof value === 'string' ? value.length : 0
}

/** Of a value with everything in it: 1 for each, and more for long text. */
function weight(value: Value): number {
  if (typeof value === 'string') return 1 + value.length / CHARS
  if (isList(value)) return value.reduce<number>((sum, item) => sum + weight(item), 1)
  if (value instanceof Optional) return value.value === undefined ? 1 : 1 + weight(value.value)
  if (!(value instanceof CelMap)) return 1
  let sum = 1
  for (const item of value.entries.values()) sum += 1 + weight(item)
  return sum
}
