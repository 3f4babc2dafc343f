import { type Token, tokenize } from './lexer.ts'
import { type Expr, type Item, invalid, type MacroName, unsupported } from './syntax.ts'

/**
 * Reads an expression of CEL as Kubernetes 1.36 does: cel-go v0.26 with optional syntax and two-variable macros.
 * @throws ExpressionFault
 */
export function parseExpression(source: string): Expr {
  const parser = new Parser(tokenize(source))
  return parser.whole()
}

const RESERVED = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)
const RELATIONS = new Set(['<', '<=', '>=', '>', '==', '!=', 'in'])
const INT_MAX = 2n ** 63n - 1n
/** cel-go's own bound on recursion. */
const DEPTH_MAX = 250

class Parser {
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Expr {
    const expr = this.#expression()
    const token = this.#peek()
    if (token.kind !== 'end') throw unexpected(token)
    return expr
  }

  #peek(): Token {
    const token = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]
    if (token === undefined) throw invalid('nothing to read', 0)
    return token
  }

  #take(): Token {
    const token = this.#peek()
    this.#next++
    return token
  }

  #is(text: string): boolean {
    const { kind, text: found } = this.#peek()
    return kind === 'symbol' ? found === text : kind === 'ident' && text === 'in' && found === 'in'
  }

  #accept(text: string): boolean {
    const found = this.#is(text)
    if (found) this.#next++
    return found
  }

  #expect(text: string): void {
    if (!this.#accept(text)) throw unexpected(this.#peek(), text)
  }

  #expression(): Expr {
    if (++this.#depth > DEPTH_MAX) throw invalid('nested too deeply', this.#peek().at)
    const condition = this.#or()
    const { at } = this.#peek()
    if (!this.#accept('?')) {
      this.#depth--
      return condition
    }
    const yes = this.#or()
    this.#expect(':')
    const no = this.#expression()
    this.#depth--
    return { kind: 'call', name: '_?_:_', args: [condition, yes, no], at }
  }

  #or(): Expr {
    return this.#leftToRight(() => this.#and(), new Set(['||']))
  }

  #and(): Expr {
    return this.#leftToRight(() => this.#relation(), new Set(['&&']))
  }

  #relation(): Expr {
    return this.#leftToRight(() => this.#sum(), RELATIONS)
  }

  #sum(): Expr {
    return this.#leftToRight(() => this.#product(), new Set(['+', '-']))
  }

  #product(): Expr {
    return this.#leftToRight(() => this.#unary(), new Set(['*', '/', '%']))
  }

  #leftToRight(operand: () => Expr, operators: ReadonlySet<string>): Expr {
    let left = operand()
    for (;;) {
      const { text, at } = this.#peek()
      if (!operators.has(text) || !this.#accept(text)) return left
      left = { kind: 'call', name: text === 'in' ? '_in_' : `_${text}_`, args: [left, operand()], at }
    }
  }

  #unary(): Expr {
    const { at, text } = this.#peek()
    if (!this.#is('!') && !this.#is('-')) return this.#member()
    let times = 0
    while (this.#is(text)) {
      if (text === '-' && this.#isNegativeNumber()) break
      this.#next++
      times++
    }
    const operand = this.#member()
    return times % 2 === 0 ? operand : { kind: 'call', name: `${text}_`, args: [operand], at }
  }

  #isNegativeNumber(): boolean {
    const after = this.#tokens[this.#next + 1]?.kind
    return this.#is('-') && (after === 'int' || after === 'double')
  }

  #member(): Expr {
    let operand = this.#primary()
    for (;;) {
      const { at } = this.#peek()
      if (this.#accept('.')) {
        const mode = this.#accept('?') ? 'optional' : 'plain'
        const name = this.#name()
        if (mode === 'plain' && this.#accept('(')) operand = expand(name, operand, this.#list(')'), at)
        else operand = { kind: 'select', operand, field: name, mode, at }
      } else if (this.#accept('[')) {
        const name = this.#accept('?') ? '_[?_]' : '_[_]'
        operand = { kind: 'call', name, args: [operand, this.#expression()], at }
        this.#expect(']')
      } else if (this.#is('{') && (operand.kind === 'ident' || operand.kind === 'select'))
        throw unsupported('message literals', at)
      else return operand
    }
  }

  /** A name after a dot: reserved words may stand there, literals and `in` may not. */
  #name(): string {
    const token = this.#take()
    if (token.kind !== 'ident' || ['in', 'true', 'false', 'null'].includes(token.text)) throw unexpected(token)
    return token.text
  }

  #primary(): Expr {
    const { kind, text, at } = this.#peek()
    if (kind === 'int' || kind === 'double' || this.#isNegativeNumber()) return this.#number()
    if (kind === 'string') return { kind: 'literal', value: this.#take().text, at }
    if (kind === 'ident') return this.#identifier()
    if (this.#accept('(')) {
      const inner = this.#expression()
      this.#expect(')')
      return inner
    }
    if (this.#accept('[')) return { kind: 'list', items: this.#items(']'), at }
    if (this.#accept('{')) return { kind: 'map', entries: this.#entries(), at }
    if (text === '.') throw unsupported('names that begin with a dot', at)
    throw unexpected(this.#peek())
  }

  #number(): Expr {
    const { at } = this.#peek()
    const sign = this.#accept('-') ? '-' : ''
    const { kind, text } = this.#take()
    if (kind === 'double') return { kind: 'literal', value: Number(`${sign}${text}`), at }
    const value = sign === '' ? BigInt(text) : -BigInt(text)
    if (value > INT_MAX || value < -INT_MAX - 1n) throw invalid(`${sign}${text} is no 64-bit integer`, at)
    return { kind: 'literal', value, at }
  }

  #identifier(): Expr {
    const token = this.#take()
    const { text: name, at } = token
    if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true', at }
    if (name === 'null') return { kind: 'literal', value: null, at }
    if (name === 'in') throw unexpected(token)
    if (RESERVED.has(name)) throw invalid(`${name} is a reserved word`, at)
    if (!this.#accept('(')) return { kind: 'ident', name, at }
    const args = this.#list(')')
    if (name !== 'has' || args.length !== 1) return { kind: 'call', name, args, at }
    const [argument] = args
    if (argument?.kind !== 'select' || argument.mode === 'test') throw invalid('has() takes a field: has(a.b)', at)
    return { ...argument, mode: 'test', at }
  }

  #list(close: string): readonly Expr[] {
    const list: Expr[] = []
    while (!this.#is(close)) {
      if (list.length > 0) this.#expect(',')
      list.push(this.#expression())
    }
    this.#expect(close)
    return list
  }

  #items(close: string): readonly Item[] {
    const items: Item[] = []
    while (!this.#is(close)) {
      const optional = this.#accept('?')
      items.push({ optional, value: this.#expression() })
      if (!this.#is(close)) this.#expect(',')
    }
    this.#expect(close)
    return items
  }

  #entries(): readonly (Item & { readonly key: Expr })[] {
    const entries: (Item & { readonly key: Expr })[] = []
    while (!this.#is('}')) {
      const optional = this.#accept('?')
      const key = this.#expression()
      this.#expect(':')
      entries.push({ optional, key, value: this.#expression() })
      if (!this.#is('}')) this.#expect(',')
    }
    this.#expect('}')
    return entries
  }
}

/** Macros by name and number of arguments: how many variables, and whether a filter stands before the body. */
const MACROS: Readonly<Record<string, readonly [MacroName, number, boolean]>> = {
  'all/2': ['all', 1, false],
  'exists/2': ['exists', 1, false],
  'exists_one/2': ['existsOne', 1, false],
  'existsOne/2': ['existsOne', 1, false],
  'map/2': ['map', 1, false],
  'map/3': ['map', 1, true],
  'filter/2': ['filter', 1, false],
  'all/3': ['all', 2, false],
  'exists/3': ['exists', 2, false],
  'exists_one/3': ['existsOne', 2, false],
  'existsOne/3': ['existsOne', 2, false],
  'transformList/3': ['transformList', 2, false],
  'transformList/4': ['transformList', 2, true],
  'transformMap/3': ['transformMap', 2, false],
  'transformMap/4': ['transformMap', 2, true],
  'transformMapEntry/3': ['transformMapEntry', 2, false],
  'transformMapEntry/4': ['transformMapEntry', 2, true],
  'optMap/2': ['optMap', 1, false],
  'optFlatMap/2': ['optFlatMap', 1, false],
  'sortBy/2': ['sortBy', 1, false],
}

function expand(method: string, target: Expr, args: readonly Expr[], at: number): Expr {
  const macro = MACROS[`${method}/${args.length}`]
  if (macro === undefined) return { kind: 'call', name: method, target, args, at }
  const [name, count, filtered] = macro
  const variables = args.slice(0, count).map((arg) => {
    if (arg.kind !== 'ident') throw invalid(`${method}() takes the name of a variable first`, arg.at)
    return arg.name
  })
  if (new Set(variables).size < variables.length) throw invalid(`${method}() takes two different variables`, at)
  const body = args.at(-1)
  const where = filtered ? args.at(-2) : undefined
  if (body === undefined) throw invalid(`${method}() takes a body`, at)
  return { kind: 'macro', name, range: target, variables, ...(where === undefined ? {} : { where }), body, at }
}

function unexpected({ kind, text, at }: Token, wanted?: string) {
  const found = kind === 'end' ? 'the end' : JSON.stringify(text)
  return invalid(
    `syntax error at ${found}${wanted === undefined ? '' : `, where ${JSON.stringify(wanted)} is missing`}`,
    at,
  )
}
