import assert from 'node:assert'
import type { JsonObject } from '../canonical-json.ts'
import { LIMITS } from '../limits.ts'
import { compile } from './compile.ts'
import { jsonValue } from './json-value.ts'
import { namesIn } from './names.ts'
import type { Declaration, Frame, Node } from './node.ts'
import { parseExpression } from './parser.ts'
import { ExpressionFault, invalid } from './syntax.ts'
import { DYN, typeText } from './typing.ts'
import { CelMap, EvaluationError, Unknown } from './values.ts'

/** A condition over one object, ready to be evaluated again and again. */
export type ObjectExpression = { readonly evaluate: (subject: Subject) => Verdict }

/** An object as expressions see it: made once by `subjectOf`, and given to as many of them as there are. */
export type Subject = { readonly fields: CelMap; readonly isSecret: boolean }

/** True or false; or why that cannot be told: a field that is not there, a wrong type, too much work. Never a value of a Secret. */
export type Verdict =
  | { readonly kind: 'value'; readonly value: boolean }
  | { readonly kind: 'error'; readonly message: string }

export type CompiledExpression =
  | { readonly kind: 'compiled'; readonly expression: ObjectExpression }
  | { readonly kind: 'invalid'; readonly message: string }

/**
 * Compiles an expression as Flux's `healthCheckExprs` have them: each field at the top of the object is a variable (`status`, `spec`,
 * `metadata`, `data`), and the result is a bool. The language is that of admission policies of Kubernetes 1.36 (docs/guides/policies.md),
 * types and missing functions included. Bounded by `expressionCharsMax`; evaluating, by `expressionWorkMax`. Never throws.
 */
export function compileObjectExpression(source: string): CompiledExpression {
  try {
    return { kind: 'compiled', expression: made(source) }
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error
    const message = error.kind === 'invalid' ? error.message : `${error.message} cannot be evaluated here`
    return { kind: 'invalid', message }
  }
}

/** An object as the cluster holds it, for expressions to be evaluated over. */
export function subjectOf(object: JsonObject): Subject {
  const fields = jsonValue(object)
  assert(fields instanceof CelMap)
  return { fields, isSecret: object.apiVersion === 'v1' && object.kind === 'Secret' }
}

function made(source: string): ObjectExpression {
  if (source.length > LIMITS.expressionCharsMax)
    throw invalid(`it has more than ${LIMITS.expressionCharsMax} characters`, 0)
  const expr = parseExpression(source)
  let slots = 1
  const node = compile(expr, {
    variables: new Map([...namesIn(expr)].flatMap((name) => (TYPES.has(name) ? [] : [[name, field(name)]]))),
    fields: {},
    unsupported: new Set(),
    namespaces: new Set(),
    nextSlot: () => slots++,
  })
  const type = typeText(node.type)
  if (type !== 'bool' && type !== 'dyn') throw invalid(`it must be bool, and is ${type}`, 0)
  return { evaluate: (subject) => evaluate(node, subject) }
}

function evaluate(node: Node, { fields, isSecret }: Subject): Verdict {
  const frame: Frame = [fields]
  frame.workMax = LIMITS.expressionWorkMax
  const result = node.run(frame)
  if (typeof result === 'boolean') return { kind: 'value', value: result }
  if (isSecret) return { kind: 'error', message: 'it cannot be evaluated' }
  if (result instanceof EvaluationError) return { kind: 'error', message: result.message.slice(0, MESSAGE_MAX) }
  if (result instanceof Unknown) return { kind: 'error', message: `cannot tell: ${result.what}` }
  return { kind: 'error', message: 'the result is not true or false' }
}

const MESSAGE_MAX = 200

/** A field at the top of the object; there is no telling which ones a custom kind has. */
function field(name: string): Declaration {
  return {
    type: DYN,
    read: ([fields]) =>
      (fields instanceof CelMap ? fields.get(name) : undefined) ?? new EvaluationError(`no such field: ${name}`),
  }
}

/** Names of types, which stand for themselves; a macro's variable hides a field of its name. */
const TYPES = new Set(['bool', 'int', 'double', 'string', 'list', 'map', 'null_type', 'type'])
