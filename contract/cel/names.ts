import type { Expr } from './syntax.ts'

/** Every name that stands for itself in an expression: variables, those of macros among them, and types. */
export function namesIn(expr: Expr): ReadonlySet<string> {
  const open = [expr]
  const names = new Set<string>()
  for (const one of open) {
    if (one.kind === 'ident') names.add(one.name)
    open.push(...partsOf(one))
  }
  return names
}

function partsOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return []
    case 'select':
      return [expr.operand]
    case 'call':
      return expr.target === undefined ? expr.args : [expr.target, ...expr.args]
    case 'list':
      return expr.items.map(({ value }) => value)
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value])
    case 'macro':
      return [expr.range, expr.body, ...(expr.where === undefined ? [] : [expr.where])]
  }
}
