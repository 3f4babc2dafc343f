import { index, optionalIndex } from './functions-standard.ts'
import type { Implementation } from './implementation.ts'
import type { Node } from './node.ts'
import { DYN, type Signature } from './typing.ts'
import {
  CelMap,
  EvaluationError,
  fits,
  isList,
  isTrouble,
  NONE,
  noSuchOverload,
  Optional,
  type Result,
  Unknown,
  type Value,
} from './values.ts'
import { callCost, resultCost, spend } from './work.ts'

/** a.b, a.?b and has(a.b). */
export function selecting(operand: Node['run'], field: string, mode: 'plain' | 'optional' | 'test'): Node['run'] {
  return (frame) => {
    const outer = operand(frame)
    if (isTrouble(outer)) return outer
    const isOptional = outer instanceof Optional
    const inner = isOptional ? outer.value : outer
    if (inner === undefined) return mode === 'test' ? false : NONE
    if (isList(inner)) return new EvaluationError(`unsupported index type 'string' in list`)
    if (mode === 'test') return inner instanceof CelMap ? inner.has(field) : false
    const value = inner instanceof CelMap ? inner.get(field) : undefined
    if (value instanceof Unknown) return value
    if (mode === 'optional' || isOptional) return value === undefined ? NONE : new Optional(value)
    return value === undefined ? new EvaluationError(`no such key: ${field}`) : value
  }
}

/** A call whose arguments are all evaluated first. An error of one is the call's, whatever the unknown ones may be. */
export function strict(
  name: string,
  nodes: readonly Node[],
  candidates: readonly { readonly signature: Signature; readonly run: Implementation }[],
): Node['run'] {
  return (frame) => {
    const args: Value[] = []
    let unknown: Unknown | undefined
    for (const node of nodes) {
      const value = node.run(frame)
      if (value instanceof EvaluationError) return value
      if (value instanceof Unknown) unknown = value
      else args.push(value)
    }
    if (unknown !== undefined) return unknown
    const found = candidates.find(({ signature }) => args.every((arg, i) => fits(arg, signature.parameters[i] ?? DYN)))
    if (found === undefined) return noSuchOverload
    const spent = spend(frame, callCost(name, args))
    if (spent !== undefined) return spent
    const result = found.run(...args)
    return spend(frame, resultCost(name, args, result)) ?? result
  }
}

/** What does not look at all of its arguments. */
export const SPECIAL: Readonly<Record<string, (nodes: readonly Node[]) => Node['run']>> = {
  '_&&_': (nodes) => logic(nodes, false),
  '_||_': (nodes) => logic(nodes, true),
  '_?_:_': ([condition, yes, no]) => {
    return (frame) => {
      const value = condition?.run(frame) ?? null
      if (isTrouble(value)) return value
      if (typeof value !== 'boolean') return noSuchOverload
      return (value ? yes : no)?.run(frame) ?? null
    }
  },
  '_[_]': (nodes) => indexing(nodes, index),
  '_[?_]': (nodes) => indexing(nodes, optionalIndex),
  or: (nodes) => alternative(nodes, (value) => value),
  orValue: (nodes) => alternative(nodes, ({ value }) => value ?? null),
}

function logic(nodes: readonly Node[], decisive: boolean): Node['run'] {
  return (frame) => {
    let trouble: EvaluationError | Unknown | undefined
    for (const node of nodes) {
      const value = node.run(frame)
      if (value === decisive) return value
      if (value === !decisive) continue
      const found = isTrouble(value) ? value : noSuchOverload
      // What is unknown may turn out to decide, so it hides an error.
      if (trouble === undefined || found instanceof Unknown) trouble = found
    }
    return trouble ?? !decisive
  }
}

/** By whatever the key is: a whole double finds an integer. */
function indexing(nodes: readonly Node[], find: (container: Value, key: Value) => Result): Node['run'] {
  const [container, key] = nodes
  return (frame) => {
    const [outer, at] = [container?.run(frame) ?? null, key?.run(frame) ?? null]
    const error = [outer, at].find((one) => one instanceof EvaluationError)
    if (error !== undefined) return error
    if (outer instanceof Unknown) return outer
    return isTrouble(outer) || isTrouble(at) ? at : find(outer, at)
  }
}

function alternative(nodes: readonly Node[], found: (optional: Optional) => Value): Node['run'] {
  const [first, second] = nodes
  return (frame) => {
    const value = first?.run(frame) ?? null
    if (isTrouble(value)) return value
    // cel-go passes on what is no optional.
    if (!(value instanceof Optional)) return value
    return value.value === undefined ? (second?.run(frame) ?? null) : found(value)
  }
}
