import { unsupported } from './syntax.ts'

/** A type of CEL: `int`, `list` of something, `?3` for one that is still open, `A` for a parameter of a signature. */
export type CelType = {
  readonly name: string
  readonly of: readonly CelType[]
  /** How many types it is made of. */
  readonly size: number
}

/** A type may hold others twice, so that each step of an expression may double it. */
const TYPE_SIZE_MAX = 1000
/** Comparisons of types while one expression is compiled. */
const COMPARISONS_MAX = 1_000_000

/** @throws ExpressionFault for one that is too large */
export function typeOf(name: string, ...of: readonly CelType[]): CelType {
  const size = of.reduce((sum, one) => sum + one.size, 1)
  if (size > TYPE_SIZE_MAX) throw unsupported('a type of that size', 0)
  return { name, of, size }
}

export const DYN = typeOf('dyn')
export const BOOL = typeOf('bool')
export const INT = typeOf('int')
export const DOUBLE = typeOf('double')
export const STRING = typeOf('string')
export const NULL = typeOf('null_type')
export const listOf = (item: CelType) => typeOf('list', item)
export const mapOf = (key: CelType, value: CelType) => typeOf('map', key, value)
export const optionalOf = (value: CelType) => typeOf('optional_type', value)

/** How a person reads it: `map(string, dyn)`. */
export function typeText({ name, of }: CelType): string {
  return of.length === 0 ? name : `${name}(${of.map(typeText).join(', ')})`
}

const SIMPLE = new Set(['bool', 'int', 'uint', 'double', 'string', 'bytes', 'null_type', 'type', 'dyn'])
const isOpen = ({ name }: CelType) => name.startsWith('?')
const isDyn = ({ name }: CelType) => name === 'dyn'

export function sameType(a: CelType, b: CelType): boolean {
  return a.name === b.name && a.of.length === b.of.length && a.of.every((one, i) => sameType(one, b.of[i] ?? DYN))
}

/** Which type each open type has turned out to be. cel-go v0.26, checker/types.go; a copy is cheap and undoes a failed try. */
export class Substitutions {
  #found = new Map<string, CelType>()
  #count = 0
  #comparisons = 0

  open(): CelType {
    return typeOf(`?${this.#count++}`)
  }

  /** True, and remembered, where a value of each of `from` can be given for `to`; else nothing changes. */
  assign(from: readonly CelType[], to: readonly CelType[]): boolean {
    const before = new Map(this.#found)
    if (from.length === to.length && from.every((one, i) => this.#assignable(one, to[i] ?? DYN))) return true
    this.#found = before
    return false
  }

  /** The type with everything put in that is known; what is still open stays, or becomes dyn. */
  resolve(type: CelType, stillOpen: 'keep' | 'dyn' = 'keep'): CelType {
    const found = this.#found.get(type.name)
    if (found !== undefined) return this.resolve(found, stillOpen)
    if (isOpen(type)) return stillOpen === 'dyn' ? DYN : type
    return type.of.length === 0 ? type : typeOf(type.name, ...type.of.map((one) => this.resolve(one, stillOpen)))
  }

  /** The type of items of both types in one list; undefined where they do not go together. */
  join(previous: CelType | undefined, current: CelType): CelType | undefined {
    if (previous === undefined) return current
    return this.assign([previous], [current]) ? moreGeneral(previous, current) : undefined
  }

  #assignable(from: CelType, to: CelType): boolean {
    this.#compared()
    if (isOpen(to)) {
      const { valid, known } = this.#substitute(from, to)
      if (valid) return true
      if (known) return false
    }
    if (isOpen(from)) return this.#substitute(to, from).valid
    if (isDyn(from) || isDyn(to)) return true
    if (from.name === 'null_type') return to.name === 'null_type' || isNullable(to)
    if (to.name === 'null_type') return isNullable(from)
    return (
      from.name === to.name &&
      from.of.length === to.of.length &&
      from.of.every((one, i) => this.#assignable(one, to.of[i] ?? DYN))
    )
  }

  #substitute(type: CelType, open: CelType): { readonly valid: boolean; readonly known: boolean } {
    if (sameType(type, open)) return { valid: true, known: true }
    const found = this.#found.get(open.name)
    if (found === undefined) {
      if (this.#occurs(open, type)) return { valid: false, known: false }
      this.#found.set(open.name, type)
      return { valid: true, known: false }
    }
    if (sameType(type, found)) return { valid: true, known: true }
    if (!this.#assignable(type, found)) return { valid: false, known: true }
    const general = moreGeneral(type, found)
    if (!this.#occurs(open, general)) this.#found.set(open.name, general)
    return { valid: true, known: true }
  }

  /** Open types may stand for others that hold them twice, which no size shows. @throws ExpressionFault */
  #compared(): void {
    if (++this.#comparisons > COMPARISONS_MAX) throw unsupported('types of that size', 0)
  }

  #occurs(open: CelType, inside: CelType): boolean {
    this.#compared()
    if (sameType(open, inside)) return true
    const found = isOpen(inside) ? this.#found.get(inside.name) : undefined
    return found === undefined ? inside.of.some((one) => this.#occurs(open, one)) : this.#occurs(open, found)
  }
}

/** Opaque types and objects take null, as the checker of cel-go has it for compatibility. */
function isNullable({ name }: CelType): boolean {
  return !SIMPLE.has(name) && name !== 'list' && name !== 'map'
}

function moreGeneral(a: CelType, b: CelType): CelType {
  return lessSpecific(a, b) ? a : b
}

function lessSpecific(a: CelType, b: CelType): boolean {
  if (isDyn(a) || isOpen(a)) return true
  if (isDyn(b) || isOpen(b)) return false
  return a.name === b.name && a.of.length === b.of.length && a.of.every((one, i) => lessSpecific(one, b.of[i] ?? DYN))
}

/** One way to call a function. */
export type Signature = {
  readonly name: string
  readonly method: boolean
  /** The receiver of a method first. */
  readonly parameters: readonly CelType[]
  readonly result: CelType
}

/** Reads a signature of our own tables: the function `size(list<A>): int`, the method `string.split(string, int): list<string>`. */
export function parseSignature(text: string, kind: 'function' | 'method'): Signature {
  const [, head = '', parameters = '', result = ''] = /^([^(]+)\((.*)\): (.+)$/.exec(text) ?? []
  if (kind === 'function')
    return { name: head, method: false, parameters: parseTypes(parameters), result: parseType(result) }
  const dot = head.lastIndexOf('.')
  const types = parseTypes(parameters === '' ? head.slice(0, dot) : `${head.slice(0, dot)},${parameters}`)
  return { name: head.slice(dot + 1), method: true, parameters: types, result: parseType(result) }
}

function parseTypes(text: string): readonly CelType[] {
  const types: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === '<') depth++
    else if (text[i] === '>') depth--
    else if (depth === 0 && (text[i] === ',' || i === text.length)) {
      types.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  return types.filter((type) => type !== '').map(parseType)
}

function parseType(text: string): CelType {
  const [, name = '', inner] = /^([^<]+)(?:<(.*)>)?$/.exec(text) ?? []
  const full = name === 'optional' ? 'optional_type' : name
  return inner === undefined ? typeOf(full) : typeOf(full, ...parseTypes(inner))
}

/** A signature's parameters and result with its type parameters (single capital letters) replaced by fresh open types. */
export function instantiate({ parameters, result }: Signature, substitutions: Substitutions) {
  const fresh = new Map<string, CelType>()
  const replace = (type: CelType): CelType => {
    if (!/^[A-Z]$/.test(type.name)) return type.of.length === 0 ? type : typeOf(type.name, ...type.of.map(replace))
    const open = fresh.get(type.name) ?? substitutions.open()
    fresh.set(type.name, open)
    return open
  }
  return { parameters: parameters.map(replace), result: replace(result) }
}
