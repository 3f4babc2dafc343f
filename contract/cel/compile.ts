import { LIMITS } from '../limits.ts'
import { SPECIAL, selecting, strict } from './calls.ts'
import { FUNCTIONS, overloadsOf, UNSUPPORTED_NAMES } from './functions.ts'
import type { Implementation } from './implementation.ts'
import { macroNode } from './macros.ts'
import type { Declaration, Environment, Frame, Node } from './node.ts'
import { patternProblem, patternSize } from './patterns.ts'
import { type Expr, type Item, invalid, unsupported } from './syntax.ts'
import {
  BOOL,
  type CelType,
  DOUBLE,
  DYN,
  INT,
  instantiate,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  type Signature,
  STRING,
  Substitutions,
  typeOf,
  typeText,
} from './typing.ts'
import {
  CelMap,
  EvaluationError,
  isTrouble,
  keyOf,
  type MapKey,
  noSuchOverload,
  Optional,
  type Result,
  TypeValue,
  Unknown,
  type Value,
} from './values.ts'
import { metered } from './work.ts'

/** How deep an expression may be once it is read: chains such as a.b.c and a + b + c count. */
const DEPTH_MAX = 400
const TYPE_NAMES = new Set(['bool', 'int', 'uint', 'double', 'string', 'bytes', 'list', 'map', 'null_type', 'type'])

/**
 * Checks an expression as the API server does (cel-go v0.26, checker), and makes it ready to run. What is not supported is found
 * here, so that it does not depend on the object.
 * @throws ExpressionFault
 */
export function compile(expr: Expr, environment: Environment): Node {
  const compiler = new Compiler(environment)
  const node = compiler.node(expr)
  compiler.assertSameTypes()
  return { ...node, type: compiler.substitutions.resolve(node.type, 'dyn') }
}

export class Compiler {
  readonly substitutions = new Substitutions()
  readonly #environment: Environment
  /** Items of one list, keys or values of one map: they must turn out to be of one type. */
  readonly #alike: (readonly { readonly type: CelType; readonly at: number }[])[] = []
  /** How many format() calls are around: lists in them may mix types. */
  #formats = 0
  #depth = 0
  readonly #types = new Map<Expr, CelType>()
  /** Of all regular expressions that stand in it. */
  #patternSize = 0
  #variables: ReadonlyMap<string, Declaration>

  constructor(environment: Environment) {
    this.#environment = environment
    this.#variables = environment.variables
  }

  node(expr: Expr): Node {
    if (++this.#depth > DEPTH_MAX) throw invalid('nested too deeply', expr.at)
    const node = this.#node(expr)
    this.#depth--
    this.#types.set(expr, node.type)
    return node
  }

  #node(expr: Expr): Node {
    if (expr.kind === 'literal') {
      const { value } = expr
      return { type: literalType(value), run: () => value }
    }
    return expr.kind === 'ident' ? this.#identifier(expr.name, expr.at) : metered(this.#compound(expr))
  }

  #compound(expr: Exclude<Expr, { kind: 'literal' | 'ident' }>): Node {
    switch (expr.kind) {
      case 'select':
        return this.#select(expr)
      case 'call':
        return this.#call(expr)
      case 'list':
        return this.#list(expr.items)
      case 'map':
        return this.#map(expr.entries)
      case 'macro':
        return macroNode(expr, this)
    }
  }

  /** The type, as far as it is known by now. */
  typeOf(node: Node): CelType {
    return this.substitutions.resolve(node.type)
  }

  /** Compiles something in which new variables are known; `use` gets their places in a frame. */
  within<T>(names: readonly (readonly [string, CelType])[], use: (slots: readonly number[]) => T): T {
    const before = this.#variables
    const slots = names.map(() => this.#environment.nextSlot())
    const added = names.map(([name, type], i) => [name, { type, read: slots[i] ?? 0 }] as const)
    this.#variables = new Map([...before, ...added])
    const result = use(slots)
    this.#variables = before
    return result
  }

  /** @throws ExpressionFault where a literal mixes types, dyn among them (cel-go, ValidateHomogeneousAggregateLiterals) */
  assertSameTypes(): void {
    for (const [first, ...others] of this.#alike)
      for (const { type, at } of others) {
        const [expected, found] = [first?.type ?? DYN, type].map((one) =>
          typeText(this.substitutions.resolve(one, 'dyn')),
        )
        if (expected !== found) throw invalid(`expected type '${expected}' but found '${found}'`, at)
      }
  }

  /** @throws ExpressionFault unless it is a bool, or may be one */
  assertBool(node: Node, at: number): void {
    if (!this.substitutions.assign([BOOL], [node.type]))
      throw invalid(`expected type 'bool' but found '${typeText(this.typeOf(node))}'`, at)
  }

  #identifier(name: string, at: number): Node {
    const found = this.#variables.get(name)
    if (found !== undefined) {
      const { type, read } = found
      if (typeof read === 'function') return { type, run: read }
      return { type, run: (frame) => frame[read] ?? null }
    }
    if (this.#environment.unsupported.has(name)) throw unsupported(name, at)
    if (TYPE_NAMES.has(name)) {
      const value = new TypeValue(name)
      return { type: typeOf('type'), run: () => value }
    }
    throw invalid(`undeclared reference to '${name}'`, at)
  }

  #select({ operand, field, mode, at }: Extract<Expr, { kind: 'select' }>): Node {
    const qualified = operand.kind === 'ident' ? `${operand.name}.${field}` : undefined
    if (qualified !== undefined && operand.kind === 'ident' && !this.#isLocal(operand.name)) {
      if (this.#environment.unsupported.has(qualified)) throw unsupported(qualified, at)
      const declared = this.#variables.get(qualified)
      if (declared !== undefined) {
        const node = this.#identifier(qualified, at)
        return mode === 'plain' ? node : presence(node, mode)
      }
      if (this.#environment.namespaces.has(operand.name)) throw invalid(`undefined field '${field}'`, at)
    }
    const inner = this.node(operand)
    const innerType = this.typeOf(inner)
    const isOptional = innerType.name === 'optional_type'
    const type = this.#fieldType(isOptional ? (innerType.of[0] ?? DYN) : innerType, field, at)
    const run = selecting(inner.run, field, mode)
    if (mode === 'test') return { type: BOOL, run }
    return { type: isOptional || mode === 'optional' ? optionalOf(type) : type, run }
  }

  /** True where a macro's variable hides what the environment declares. */
  #isLocal(name: string): boolean {
    return this.#variables.get(name) !== this.#environment.variables.get(name)
  }

  #fieldType(type: CelType, field: string, at: number): CelType {
    if (type.name === 'dyn' || type.name === 'error') return DYN
    if (type.name === 'map') return type.of[1] ?? DYN
    if (type.name.startsWith('?')) {
      this.substitutions.assign([DYN], [type])
      return DYN
    }
    const fields = this.#environment.fields[type.name]
    if (fields === undefined) throw invalid(`type '${typeText(type)}' does not support field selection`, at)
    const found = fields.get(field)
    if (found !== undefined) return found
    if (this.#environment.unsupported.has(`${type.name}.${field}`)) throw unsupported(`${type.name}.${field}`, at)
    throw invalid(`undefined field '${field}'`, at)
  }

  #call(expr: Extract<Expr, { kind: 'call' }>): Node {
    const { name, target, args, at } = expr
    const qualified = target === undefined ? name : namespaced(target, name)
    if (qualified !== undefined && FUNCTIONS.has(`function ${qualified}`))
      return this.#resolve(qualified, 'function', args, at)
    for (const one of [qualified, name])
      if (one !== undefined && UNSUPPORTED_NAMES.has(one)) throw unsupported(`the function ${one}()`, at)
    if (target === undefined) throw invalid(`undeclared reference to '${name}'`, at)
    return this.#resolve(name, 'method', [target, ...args], at)
  }

  #resolve(name: string, kind: 'function' | 'method', args: readonly Expr[], at: number): Node {
    if (name === 'format') this.#formats++
    const nodes = args.map((arg) => this.node(arg))
    if (name === 'format') this.#formats--
    const special = SPECIAL[name]
    const candidates: { readonly signature: Signature; readonly run: Implementation }[] = []
    let result: CelType | undefined
    for (const overload of overloadsOf(name, kind)) {
      const instance = instantiate(overload.signature, this.substitutions)
      const types = nodes.map((node) => node.type)
      if (!this.substitutions.assign(types, instance.parameters)) continue
      candidates.push(overload)
      const type = this.substitutions.resolve(instance.result)
      result = result === undefined || typeText(result) === typeText(type) ? type : DYN
    }
    if (result === undefined) {
      const types = nodes.map((node) => typeText(this.substitutions.resolve(node.type, 'dyn')))
      const applied = kind === 'method' ? `${types[0]}.(${types.slice(1).join(', ')})` : `(${types.join(', ')})`
      if (overloadsOf(name, kind).length === 0) throw invalid(`undeclared reference to '${name}'`, at)
      throw invalid(`found no matching overload for '${name}' applied to '${applied}'`, at)
    }
    this.#patternSize += checkLiterals(name, args)
    if (this.#patternSize > LIMITS.patternSizeMax) throw unsupported('regular expressions of that size', at)
    if (name === 'format') this.#checkFormat(args)
    const run = special === undefined ? strict(name, nodes, candidates) : special(nodes)
    // The API server makes conversions of literals when it takes the policy.
    const made = CONVERSIONS.has(name) && args.every(isConstant) ? run([]) : undefined
    if (made instanceof EvaluationError) throw invalid(made.message, at)
    return { type: result, run }
  }

  /** What cel-go's validator of formats refuses: too few or too many arguments, and %d for what is no integer. */
  #checkFormat([format, list]: readonly Expr[]): void {
    if (format?.kind !== 'literal' || list?.kind !== 'list') return
    const verbs = String(format.value).replaceAll('%%', '').match(/%[sd]/g) ?? []
    if (verbs.length !== list.items.length)
      throw invalid(`format() needs ${verbs.length} arguments, and has ${list.items.length}`, list.at)
    for (const [i, { value }] of list.items.entries()) {
      const { name } = this.substitutions.resolve(this.#types.get(value) ?? DYN)
      if (verbs[i] === '%d' && name !== 'int' && name !== 'dyn') throw invalid(`%d of a ${name}`, value.at)
    }
  }

  #list(items: readonly Item[]): Node {
    const types: { readonly type: CelType; readonly at: number }[] = []
    const nodes = items.map(({ value, optional }) => {
      const node = this.node(value)
      types.push({ type: this.#itemType(node, optional, value.at), at: value.at })
      return { node, optional }
    })
    const run = (frame: Frame): Result => {
      const list: Value[] = []
      let unknown: Unknown | undefined
      for (const { node, optional } of nodes) {
        const value = node.run(frame)
        if (value instanceof EvaluationError) return value
        if (value instanceof Unknown) unknown = value
        else if (!optional) list.push(value)
        else if (!(value instanceof Optional)) return noSuchOverload
        else if (value.value !== undefined) list.push(value.value)
      }
      return unknown ?? list
    }
    return { type: listOf(this.#joined(types)), run }
  }

  #map(entries: readonly (Item & { readonly key: Expr })[]): Node {
    const keys: { readonly type: CelType; readonly at: number }[] = []
    const values: { readonly type: CelType; readonly at: number }[] = []
    const nodes = entries.map(({ key, value, optional }) => {
      const node = { key: this.node(key), value: this.node(value), optional }
      keys.push({ type: node.key.type, at: key.at })
      values.push({ type: this.#itemType(node.value, optional, value.at), at: value.at })
      return node
    })
    const run = (frame: Frame): Result => {
      const map = new Map<MapKey, Value>()
      let unknown: Unknown | undefined
      for (const { key, value, optional } of nodes) {
        const [k, v] = [key.run(frame), value.run(frame)]
        for (const part of [k, v]) {
          if (part instanceof EvaluationError) return part
          if (part instanceof Unknown) unknown = part
        }
        if (isTrouble(k) || isTrouble(v)) continue
        const at = typeof k === 'number' ? undefined : keyOf(k)
        if (at === undefined) return new Unknown('a map with a key of such a type')
        if (!optional) map.set(at, v)
        else if (!(v instanceof Optional)) return noSuchOverload
        else if (v.value !== undefined) map.set(at, v.value)
      }
      return unknown ?? new CelMap(map)
    }
    return { type: mapOf(this.#joined(keys), this.#joined(values)), run }
  }

  #itemType(node: Node, optional: boolean, at: number): CelType {
    const type = this.typeOf(node)
    if (!optional || type.name === 'dyn') return type
    if (type.name === 'optional_type') return type.of[0] ?? DYN
    throw invalid(`expected type 'optional_type(${typeText(type)})' but found '${typeText(type)}'`, at)
  }

  /** The type of what stands together in a literal: dyn where it is mixed, still open where there is nothing. */
  #joined(types: readonly { readonly type: CelType; readonly at: number }[]): CelType {
    if (this.#formats === 0) this.#alike.push(types)
    let joined: CelType | undefined
    for (const { type } of types) joined = this.substitutions.join(joined, type) ?? DYN
    return joined ?? this.substitutions.open()
  }
}

function literalType(value: null | boolean | bigint | number | string): CelType {
  if (value === null) return NULL
  switch (typeof value) {
    case 'boolean':
      return BOOL
    case 'bigint':
      return INT
    case 'number':
      return DOUBLE
    default:
      return STRING
  }
}

/** `optional.of` of the call optional.of(…). */
function namespaced(target: Expr, name: string): string | undefined {
  if (target.kind === 'ident') return `${target.name}.${name}`
  if (target.kind !== 'select' || target.mode !== 'plain') return undefined
  const before = namespaced(target.operand, target.field)
  return before === undefined ? undefined : `${before}.${name}`
}

/** A declared name such as variables.x is there, unless it cannot be evaluated. */
function presence(node: Node, mode: 'optional' | 'test'): Node {
  const run = (frame: Frame): Result => {
    const value = node.run(frame)
    if (isTrouble(value)) return value
    return mode === 'test' ? true : new Optional(value)
  }
  return { type: mode === 'test' ? BOOL : optionalOf(node.type), run }
}

const CONVERSIONS = new Set(['bool', 'int', 'double', 'string'])

/** A literal, or a conversion of one. */
function isConstant(expr: Expr): boolean {
  if (expr.kind === 'literal') return true
  const converts = expr.kind === 'call' && (CONVERSIONS.has(expr.name) || expr.name === 'dyn')
  return converts && expr.target === undefined && expr.args.every(isConstant)
}

/** A pattern that stands in the expression is compiled now, unless it is too large, and so is a format. Gives the pattern's size. */
function checkLiterals(name: string, args: readonly Expr[]): number {
  if (name === 'format') {
    const [format] = args
    const text = format?.kind === 'literal' ? String(format.value) : undefined
    if (text === undefined) throw unsupported('format() of text that is put together', format?.at ?? 0)
    const other = text.replaceAll('%%', '').match(/%(?![sd])[^a-z]*[a-zA-Z]?/)
    if (other !== null) throw unsupported(`${other[0]} in format()`, format?.at ?? 0)
  }
  const pattern = ['matches', 'find', 'findAll'].includes(name) ? args[1] : undefined
  if (pattern?.kind !== 'literal' || typeof pattern.value !== 'string') return 0
  const size = patternSize(pattern.value)
  if (size > LIMITS.patternSizeMax) return size
  const problem = patternProblem(pattern.value)
  if (problem !== undefined) throw invalid(`not a regular expression of RE2: ${problem}`, pattern.at)
  return size
}
