import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import { compile } from '../../contract/cel/compile.ts'
import { namesIn } from '../../contract/cel/names.ts'
import type { Node } from '../../contract/cel/node.ts'
import { parseExpression } from '../../contract/cel/parser.ts'
import { ExpressionFault, invalid } from '../../contract/cel/syntax.ts'
import { type CelType, optionalOf, typeText } from '../../contract/cel/typing.ts'
import type { FieldPath } from '../../contract/schema/validate.ts'
import type { TypeFields } from './rule-types.ts'

/** A rule of a CRD, ready to be evaluated over the value at its place; a frame holds `self` first, and `oldSelf`. */
export type Rule = {
  readonly source: string
  readonly message: string | undefined
  /** Where it stands, from the root of the schema. */
  readonly path: FieldPath
  /** The field that its fault names, from its own place. */
  readonly fieldPath: FieldPath
  /** It speaks of what was before, and is evaluated on updates only. */
  readonly isTransition: boolean
  /** A text says why CI cannot evaluate it. */
  readonly program: Node['run'] | string
  readonly messageProgram: Node['run'] | undefined
}

/**
 * Compiles one of `x-kubernetes-validations`. A rule that is malformed, or empty, is none: the CRD's own faults say so. What CI cannot evaluate is a
 * text, be it not built here or no expression: whoever uses somebody else's CRD cannot write its rules in another way, and a cluster has taken them.
 */
export function compileRule(
  json: Json,
  path: FieldPath,
  self: CelType | undefined,
  fields: TypeFields,
): readonly Rule[] {
  if (!isJsonObject(json) || typeof json.rule !== 'string' || json.rule.trim() === '' || self === undefined) return []
  const { rule, messageExpression, fieldPath, optionalOldSelf } = json
  const isOptional = optionalOldSelf === true
  const make = (source: string, type: 'bool' | 'string') =>
    programOf(source, type, self, isOptional ? optionalOf(self) : self, fields)
  const isTransition = !isOptional && isAboutOldSelf(rule)
  const said = typeof messageExpression === 'string' && !isTransition ? make(messageExpression, 'string') : ''
  return [
    {
      source: rule.trim(),
      message: textOf(json.message),
      path,
      fieldPath: typeof fieldPath === 'string' ? stepsOf(fieldPath) : [],
      isTransition,
      program: isTransition ? '' : make(rule, 'bool'),
      messageProgram: typeof said === 'string' ? undefined : said,
    },
  ]
}

function textOf(json: Json | undefined): string | undefined {
  return typeof json === 'string' && json.trim() !== '' ? json.trim() : undefined
}

/** What cannot be read is evaluated, and says so. */
function isAboutOldSelf(source: string): boolean {
  return reading(() => namesIn(parseExpression(source)).has('oldSelf')) === true
}

const UNSUPPORTED = new Set(['google', 'timestamp', 'duration'])

function programOf(
  source: string,
  wanted: 'bool' | 'string',
  self: CelType,
  oldSelf: CelType,
  fields: TypeFields,
): Node['run'] | string {
  return reading(() => {
    let slots = 2
    const node = compile(parseExpression(source), {
      variables: new Map([
        ['self', { type: self, read: 0 }],
        ['oldSelf', { type: oldSelf, read: 1 }],
      ]),
      fields,
      unsupported: UNSUPPORTED,
      namespaces: new Set(),
      nextSlot: () => slots++,
    })
    const type = typeText(node.type)
    if (type !== wanted) throw invalid(`it must be ${wanted}, and is ${type}`, 0)
    return node.run
  })
}

function reading<T>(read: () => T): T | string {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error
    return error.kind === 'invalid'
      ? `CI cannot read it: ${error.message}`
      : `it uses ${error.message}, which CI cannot evaluate`
  }
}

/** The steps of `.a.b['c']`, none for what is no such path. @see apiextensions-apiserver v0.36, cel/validation.go, ValidFieldPath */
function stepsOf(fieldPath: string): FieldPath {
  const tokens = [...fieldPath.matchAll(/\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]/gy)]
  const read = tokens.reduce((length, [token]) => length + token.length, 0)
  if (read !== fieldPath.length) return []
  return tokens.map(([, name, quoted = '']) => name ?? quoted.replaceAll(/\\(.)/g, '$1'))
}
