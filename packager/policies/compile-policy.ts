import { compile } from '../../contract/cel/compile.ts'
import type { Node } from '../../contract/cel/node.ts'
import { parseExpression } from '../../contract/cel/parser.ts'
import { ExpressionFault } from '../../contract/cel/syntax.ts'
import { DYN, typeText } from '../../contract/cel/typing.ts'
import type { ErrorCode, Fault } from '../../contract/errors.ts'
import { type FieldPath, faultAt, type RenderedObject } from '../render/rendered.ts'
import { PolicyEnvironment } from './environment.ts'
import type { BindingSpec, MatchResources, PolicySpec } from './policy-schema.ts'

export type CompiledValidation = {
  readonly expression: string
  readonly run: Node['run']
  readonly message: string | undefined
  readonly messageRun: Node['run'] | undefined
  /** Where it stands: `policies/images.yaml:12`. */
  readonly place: string
}

export type CompiledPolicy = {
  readonly name: string
  readonly spec: PolicySpec
  readonly rendered: RenderedObject
  readonly conditions: readonly { readonly name: string; readonly run: Node['run'] }[]
  readonly validations: readonly CompiledValidation[]
  readonly audits: readonly { readonly key: string; readonly run: Node['run'] }[]
}

export type Binding = { readonly name: string; readonly spec: BindingSpec; readonly rendered: RenderedObject }

/**
 * Compiles every expression of a policy. What is wrong, and what is not supported, is a fault each, at its line; a policy with one is
 * not evaluated.
 */
export function compilePolicy(
  name: string,
  spec: PolicySpec,
  rendered: RenderedObject,
): { readonly policy: CompiledPolicy; readonly faults: readonly Fault[] } {
  const faults: Fault[] = ruleFaults(name, spec.matchConstraints, rendered, ['spec', 'matchConstraints'])
  const environment = new PolicyEnvironment({ params: spec.paramKind !== undefined })
  const add = (code: ErrorCode, message: string, path: FieldPath) => {
    faults.push(faultAt(rendered, code, `policy ${name}: ${message}`, path))
  }
  const made = (expression: string, types: readonly string[] | undefined, path: FieldPath, variables = true): Node => {
    try {
      const node = compile(parseExpression(expression), environment.with({ variables }))
      if (types === undefined || types.includes(typeText(node.type))) return node
      add(
        'ADMISSION_INVALID',
        `${shown(expression)} must be ${types.join(' or ')}, and is ${typeText(node.type)}`,
        path,
      )
    } catch (error) {
      if (!(error instanceof ExpressionFault)) throw error
      if (error.kind === 'invalid') add('ADMISSION_INVALID', `${shown(expression)}: ${error.message}`, path)
      else add('ADMISSION_UNSUPPORTED', `${shown(expression)} uses ${error.message}, which CI cannot evaluate`, path)
    }
    return BROKEN
  }
  if (spec.validations.length + spec.auditAnnotations.length === 0)
    add('ADMISSION_INVALID', 'it has no validations', ['spec'])
  for (const [i, variable] of spec.variables.entries())
    environment.addVariable(variable.name, made(variable.expression, undefined, ['spec', 'variables', i, 'expression']))
  const conditions = spec.matchConditions.map(({ name: condition, expression }, i) => ({
    name: condition,
    run: made(expression, ['bool'], ['spec', 'matchConditions', i, 'expression'], false).run,
  }))
  const validations = spec.validations.map(({ expression, message, messageExpression }, i): CompiledValidation => {
    const path = ['spec', 'validations', i]
    const { file, line } = faultAt(rendered, 'ADMISSION_INVALID', '', [...path, 'expression'])
    return {
      expression,
      run: made(expression, ['bool'], [...path, 'expression']).run,
      message,
      messageRun:
        messageExpression === undefined
          ? undefined
          : made(messageExpression, ['string'], [...path, 'messageExpression']).run,
      place: `${file}:${line}`,
    }
  })
  const audits = spec.auditAnnotations.map(({ key, valueExpression }, i) => ({
    key,
    run: made(valueExpression, ['string', 'null_type'], ['spec', 'auditAnnotations', i, 'valueExpression']).run,
  }))
  return { policy: { name, spec, rendered, conditions, validations, audits }, faults }
}

const BROKEN: Node = { type: DYN, run: () => null }

/** A rule that applies to updates only says nothing about a create, which is all that CI can play through. */
export function ruleFaults(
  name: string,
  { resourceRules = [] }: MatchResources,
  rendered: RenderedObject,
  path: FieldPath,
): Fault[] {
  return resourceRules.flatMap(({ operations }, i) => {
    if (!operations.includes('UPDATE') || operations.includes('CREATE') || operations.includes('*')) return []
    const message = `policy ${name}: a rule for UPDATE and not for CREATE, which CI cannot evaluate`
    return [faultAt(rendered, 'ADMISSION_UNSUPPORTED', message, [...path, 'resourceRules', i, 'operations'])]
  })
}

/** An expression as a message quotes it: one line, not too long. */
export function shown(expression: string): string {
  const line = expression.trim().replaceAll(/\s+/g, ' ')
  return `'${line.length > 200 ? `${line.slice(0, 200)}…` : line}'`
}
