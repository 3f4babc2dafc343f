import { LIMITS } from '../limits.ts'
import type { Compiler } from './compile.ts'
import type { Frame, Node } from './node.ts'
import { invalid, type Macro } from './syntax.ts'
import { BOOL, type CelType, DYN, INT, listOf, mapOf, optionalOf, typeText } from './typing.ts'
import {
  CelMap,
  compare,
  EvaluationError,
  isList,
  isTrouble,
  keyOf,
  type MapKey,
  NONE,
  noSuchOverload,
  Optional,
  type Result,
  typeNameOf,
  Unknown,
  type Value,
} from './values.ts'

type Step = readonly [Value, Value | Unknown | undefined]

/** What a macro of cel-go does (v0.26: parser/macro.go, ext/comprehensions.go, ext/lists.go, cel/library.go). @throws ExpressionFault */
export function macroNode(macro: Macro, compiler: Compiler): Node {
  const range = compiler.node(macro.range)
  if (macro.name === 'optMap' || macro.name === 'optFlatMap') return optionalNode(macro, compiler, range)
  const two = macro.variables.length === 2
  const types = variableTypes(compiler.typeOf(range), two, macro, compiler)
  const names = macro.variables.map((name, i) => [name, types[i] ?? DYN] as const)
  return compiler.within(names, (slots) => {
    const where = macro.where === undefined ? undefined : compiler.node(macro.where)
    if (where !== undefined) compiler.assertBool(where, macro.where?.at ?? macro.at)
    const body = compiler.node(macro.body)
    const loop: Loop = { range: range.run, slots, two, where: where?.run, body: body.run }
    const bodyType = compiler.typeOf(body)
    const [first = DYN] = types
    switch (macro.name) {
      case 'all':
      case 'exists':
      case 'existsOne':
      case 'filter':
        compiler.assertBool(body, macro.body.at)
        if (macro.name === 'filter') return { type: listOf(first), run: filtering(loop) }
        if (macro.name === 'existsOne') return { type: BOOL, run: counting(loop) }
        return { type: BOOL, run: quantifying(loop, macro.name === 'exists') }
      case 'map':
      case 'transformList':
        return { type: listOf(bodyType), run: transforming(loop) }
      case 'transformMap':
        return { type: mapOf(first, bodyType), run: transformingMap(loop, 'value') }
      case 'transformMapEntry':
        if (bodyType.name !== 'map' && bodyType.name !== 'dyn')
          throw invalid(`expected type 'map' but found '${typeText(bodyType)}'`, macro.body.at)
        return { type: bodyType, run: transformingMap(loop, 'entry') }
      case 'sortBy':
        return { type: compiler.typeOf(range), run: sorting(loop) }
    }
    throw invalid(`no macro ${macro.name}`, macro.at)
  })
}

type Loop = {
  readonly range: Node['run']
  readonly slots: readonly number[]
  readonly two: boolean
  readonly where: Node['run'] | undefined
  readonly body: Node['run']
}

function variableTypes(range: CelType, two: boolean, macro: Macro, compiler: Compiler): readonly CelType[] {
  const [first = DYN, second = DYN] = range.of
  if (range.name === 'list') return two ? [INT, first] : [first]
  if (range.name === 'map') return [first, second]
  if (range.name === 'dyn' || range.name.startsWith('?')) {
    compiler.substitutions.assign([DYN], [range])
    return [DYN, DYN]
  }
  throw invalid(`expression of type '${typeText(range)}' cannot be range of a comprehension`, macro.range.at)
}

/** What there is to walk over: each item, or key and value. */
function stepsOf({ range, two }: Loop, frame: Frame): readonly Step[] | EvaluationError | Unknown {
  const value = range(frame)
  if (isTrouble(value)) return value
  frame.steps = (frame.steps ?? 0) + (isList(value) ? value.length : value instanceof CelMap ? value.entries.size : 0)
  if (frame.steps > LIMITS.policyStepsMax) return new Unknown(`more than ${LIMITS.policyStepsMax} steps of macros`)
  if (isList(value)) return value.map((item, i): Step => (two ? [BigInt(i), item] : [item, undefined]))
  if (!(value instanceof CelMap)) return noSuchOverload
  const keys = value.keys()
  if (keys instanceof Unknown) return keys
  return keys.map((key): Step => [key, two ? value.get(key) : undefined])
}

function place({ slots, two }: Loop, frame: Frame, [first, second]: Step): void {
  const [one, other] = slots
  if (one !== undefined) frame[one] = first
  if (two && other !== undefined) frame[other] = second
}

function isSteps(steps: readonly Step[] | EvaluationError | Unknown): steps is readonly Step[] {
  return Array.isArray(steps)
}

/** all() and exists(): one item may decide, whatever the others are. */
function quantifying(loop: Loop, decisive: boolean): Node['run'] {
  return (frame) => {
    const steps = stepsOf(loop, frame)
    if (!isSteps(steps)) return steps
    let trouble: EvaluationError | Unknown | undefined
    for (const step of steps) {
      place(loop, frame, step)
      const value = loop.body(frame)
      if (value === decisive) return value
      if (value === !decisive) continue
      const found = isTrouble(value) ? value : noSuchOverload
      if (trouble === undefined || found instanceof Unknown) trouble = found
    }
    return trouble ?? !decisive
  }
}

/** Walks over everything; an error ends it, and so does what is unknown, at the end. */
function walk(
  loop: Loop,
  frame: Frame,
  condition: Node['run'] | undefined,
  use: (step: Step) => EvaluationError | Unknown | undefined,
): EvaluationError | Unknown | undefined {
  const steps = stepsOf(loop, frame)
  if (!isSteps(steps)) return steps
  let unknown: Unknown | undefined
  for (const step of steps) {
    place(loop, frame, step)
    const wanted = condition === undefined ? true : condition(frame)
    if (wanted === false) continue
    const trouble = wanted === true ? use(step) : isTrouble(wanted) ? wanted : noSuchOverload
    if (trouble instanceof EvaluationError) return trouble
    unknown = trouble ?? unknown
  }
  return unknown
}

function counting(loop: Loop): Node['run'] {
  return (frame) => {
    let count = 0
    const trouble = walk(loop, frame, loop.body, () => {
      count++
      return undefined
    })
    return trouble ?? count === 1
  }
}

function filtering(loop: Loop): Node['run'] {
  return (frame) => {
    const found: Value[] = []
    const trouble = walk(loop, frame, loop.body, ([item]) => {
      found.push(item)
      return undefined
    })
    return trouble ?? found
  }
}

function transforming(loop: Loop): Node['run'] {
  return (frame) => {
    const made: Value[] = []
    const trouble = walk(loop, frame, loop.where, () => {
      const value = loop.body(frame)
      if (isTrouble(value)) return value
      made.push(value)
      return undefined
    })
    return trouble ?? made
  }
}

function transformingMap(loop: Loop, what: 'value' | 'entry'): Node['run'] {
  return (frame) => {
    const made = new Map<MapKey, Value>()
    const trouble = walk(loop, frame, loop.where, ([key]) => {
      const value = loop.body(frame)
      if (isTrouble(value)) return value
      if (what === 'entry' && !(value instanceof CelMap)) return noSuchOverload
      const entries = what === 'entry' && value instanceof CelMap ? [...value.entries] : [[keyOf(key), value] as const]
      for (const [at, one] of entries) {
        if (at === undefined || made.has(at)) return new EvaluationError('insert failed: key already exists')
        made.set(at, one)
      }
      return value instanceof CelMap && what === 'entry' ? hiddenOf(value) : undefined
    })
    return trouble ?? new CelMap(made)
  }
}

function hiddenOf(map: CelMap): Unknown | undefined {
  const keys = map.keys()
  return keys instanceof Unknown ? keys : undefined
}

function sorting(loop: Loop): Node['run'] {
  return (frame) => {
    const items: { readonly item: Value; readonly key: Value }[] = []
    const trouble = walk(loop, frame, undefined, ([item]) => {
      const key = loop.body(frame)
      if (isTrouble(key)) return key
      items.push({ item, key })
      return undefined
    })
    return trouble ?? sortedBy(items)
  }
}

/** Items in the order of their keys, which must be of one type that has an order. */
export function sortedBy(items: readonly { readonly item: Value; readonly key: Value }[]): Result {
  const [first] = items
  if (first === undefined) return []
  if (compare(first.key, first.key) === undefined) return new EvaluationError('list elements must be comparable')
  if (items.some(({ key }) => typeNameOf(key) !== typeNameOf(first.key)))
    return new EvaluationError('list elements must have the same type')
  return [...items].sort((a, b) => compare(a.key, b.key) ?? 0).map(({ item }) => item)
}

function optionalNode(macro: Macro, compiler: Compiler, range: Node): Node {
  const type = compiler.typeOf(range)
  if (type.name !== 'optional_type' && type.name !== 'dyn')
    throw invalid(`found no matching overload for 'hasValue' applied to '${typeText(type)}.()'`, macro.range.at)
  const [name = ''] = macro.variables
  return compiler.within([[name, type.of[0] ?? DYN]], ([slot = 0]) => {
    const body = compiler.node(macro.body)
    const bodyType = compiler.typeOf(body)
    if (macro.name === 'optFlatMap' && bodyType.name !== 'optional_type' && bodyType.name !== 'dyn')
      throw invalid(`optFlatMap() needs an optional, and got '${typeText(bodyType)}'`, macro.body.at)
    const run = (frame: Frame): Result => {
      const value = range.run(frame)
      if (isTrouble(value)) return value
      if (!(value instanceof Optional)) return noSuchOverload
      if (value.value === undefined) return NONE
      frame[slot] = value.value
      const result = body.run(frame)
      return isTrouble(result) || macro.name === 'optFlatMap' ? result : new Optional(result)
    }
    return { type: macro.name === 'optMap' ? optionalOf(bodyType) : bodyType, run }
  })
}
