/** What an expression is made of. `at` is the offset of its first character in the source. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: null | boolean | bigint | number | string; readonly at: number }
  | { readonly kind: 'ident'; readonly name: string; readonly at: number }
  | {
      readonly kind: 'select'
      readonly operand: Expr
      readonly field: string
      /** `plain` is a.b, `optional` a.?b, and `test` has(a.b). */
      readonly mode: 'plain' | 'optional' | 'test'
      readonly at: number
    }
  | {
      readonly kind: 'call'
      readonly name: string
      readonly target?: Expr
      readonly args: readonly Expr[]
      readonly at: number
    }
  | { readonly kind: 'list'; readonly items: readonly Item[]; readonly at: number }
  | { readonly kind: 'map'; readonly entries: readonly (Item & { readonly key: Expr })[]; readonly at: number }
  | Macro

export type Item = { readonly value: Expr; readonly optional: boolean }

/** A macro with a body of its own: `range.all(x, body)`, `range.transformMap(k, v, where, body)`, `optional.optMap(x, body)`. */
export type Macro = {
  readonly kind: 'macro'
  readonly name: MacroName
  readonly range: Expr
  readonly variables: readonly string[]
  readonly where?: Expr
  readonly body: Expr
  readonly at: number
}

export type MacroName =
  | 'all'
  | 'exists'
  | 'existsOne'
  | 'map'
  | 'filter'
  | 'transformList'
  | 'transformMap'
  | 'transformMapEntry'
  | 'optMap'
  | 'optFlatMap'
  | 'sortBy'

/**
 * Why an expression cannot be compiled: `invalid` where the API server would refuse it too, `unsupported` where it might not.
 * Never leaves its caller: the rooms that compile turn it into words of their own.
 */
export class ExpressionFault extends Error {
  readonly kind: 'invalid' | 'unsupported'
  readonly at: number

  constructor(kind: 'invalid' | 'unsupported', message: string, at: number) {
    super(message)
    this.name = 'ExpressionFault'
    this.kind = kind
    this.at = at
  }
}

export function invalid(message: string, at: number): ExpressionFault {
  return new ExpressionFault('invalid', message, at)
}

export function unsupported(message: string, at: number): ExpressionFault {
  return new ExpressionFault('unsupported', message, at)
}
