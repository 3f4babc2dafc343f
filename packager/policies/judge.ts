import { madeMessage } from '../../contract/cel/made-message.ts'
import type { Frame } from '../../contract/cel/node.ts'
import { EvaluationError, type Result, Unknown } from '../../contract/cel/values.ts'
import type { ErrorCode, Fault } from '../../contract/errors.ts'
import { faultAt } from '../render/rendered.ts'
import { type Binding, type CompiledPolicy, type CompiledValidation, shown } from './compile-policy.ts'
import { SLOTS } from './environment.ts'
import { type Matched, matches } from './match.ts'
import { type ParamSource, paramsOf } from './params.ts'
import type { Subject } from './subject.ts'

/** What a policy says of one object: nothing, or a denial, or that it cannot be told here. */
export type Decision = {
  readonly kind: 'denied' | 'undecided'
  readonly message: string
  /** The validation's, or the policy's. */
  readonly place: string | undefined
  /** Whatever the binding's actions are: an audit annotation that cannot be made. */
  readonly always?: boolean
}

/** The faults of one object under one policy, each with whether it only warns. Pure. */
export function judge(
  policy: CompiledPolicy,
  bindings: readonly Binding[],
  subject: Subject,
  params: ParamSource,
): readonly { readonly fault: Fault; readonly warns: boolean }[] {
  const matched = matches(policy.spec.matchConstraints, subject.candidate)
  if (matched === false) return []
  const found: { readonly fault: Fault; readonly warns: boolean }[] = []
  // A policy that no binding of the folder names is taken as bound to everything that it matches, with Deny.
  for (const binding of bindings.length === 0 ? [undefined] : bindings) {
    const bound = matches(binding?.spec.matchResources ?? {}, subject.candidate)
    if (bound === false) continue
    const warns = binding !== undefined && !binding.spec.validationActions.includes('Deny')
    for (const decision of decisions(policy, binding, subject, params, [matched, bound])) {
      const isWarning = warns && decision.always !== true
      found.push({ fault: faultOf(policy, binding, subject, decision), warns: isWarning })
    }
  }
  return found
}

function decisions(
  policy: CompiledPolicy,
  binding: Binding | undefined,
  subject: Subject,
  source: ParamSource,
  matched: readonly Matched[],
): readonly Decision[] {
  for (const one of matched)
    if (typeof one === 'object' && 'converted' in one)
      return [undecided(`it is judged as ${one.converted}, into which CI does not convert`)]
  const params = paramsOf(policy, binding, subject, source)
  if (params.kind === 'fault')
    return policy.spec.failurePolicy === 'Ignore' ? [] : [{ kind: 'denied', message: params.message, place: undefined }]
  if (params.kind === 'unknown') return [undecided(`it depends on ${params.what}`)]
  const evaluated = evaluate(policy, subject, params.value)
  const unsure = [...matched, evaluated.applies].find((one) => one instanceof Unknown)
  if (!(unsure instanceof Unknown)) return evaluated.decisions
  // What passes either way passes.
  return evaluated.decisions.map(({ message, kind, place, ...rest }) => ({
    ...rest,
    kind: 'undecided' as const,
    message: kind === 'denied' ? `where it applies, it denies: ${message}; that depends on ${unsure.what}` : message,
    place,
  }))
}

function undecided(message: string, place?: string): Decision {
  return { kind: 'undecided', message, place }
}

/** apiserver v0.36, admission/plugin/policy/validating/validator.go. */
function evaluate(
  policy: CompiledPolicy,
  subject: Subject,
  params: Result,
): { readonly applies: true | Unknown; readonly decisions: readonly Decision[] } {
  const { failurePolicy } = policy.spec
  // Match conditions have no namespaceObject.
  const conditions = policy.conditions.map(({ run }) => run(frameOf(subject, params, null)))
  if (conditions.includes(false)) return { applies: true, decisions: [] }
  const applies = conditions.find((result) => result instanceof Unknown) ?? true
  const error = conditions.find((result) => result instanceof EvaluationError)
  if (error instanceof EvaluationError)
    return {
      applies: applies instanceof Unknown ? applies : true,
      decisions: failurePolicy === 'Ignore' ? [] : [failed(subject, 'a match condition', error, undefined)],
    }
  const frame = frameOf(subject, params, subject.namespaceObject)
  const decisions = policy.validations.flatMap((validation): readonly Decision[] => {
    const result = validation.run(frame)
    if (result === true) return []
    const { expression, place } = validation
    if (result instanceof Unknown) return [undecided(`${shown(expression)} depends on ${result.what}`, place)]
    if (result === false) return [{ kind: 'denied', message: messageOf(validation, subject, frame), place }]
    if (failurePolicy === 'Ignore') return []
    return [failed(subject, shown(expression), result, place)]
  })
  for (const { key, run } of policy.audits) {
    const result = run(frame)
    if (result instanceof Unknown) continue
    if (result instanceof EvaluationError && failurePolicy === 'Fail')
      decisions.push({ ...failed(subject, `audit annotation ${key}`, result, undefined), always: true })
  }
  return { applies: applies instanceof Unknown ? applies : true, decisions }
}

function frameOf(subject: Subject, params: Result, namespaceObject: Result): Frame {
  const frame: Frame = []
  frame[SLOTS.object] = subject.value
  frame[SLOTS.oldObject] = null
  frame[SLOTS.request] = subject.request
  frame[SLOTS.namespaceObject] = namespaceObject
  frame[SLOTS.params] = params
  return frame
}

function failed(subject: Subject, what: string, result: Result, place: string | undefined): Decision {
  // An error of a Secret could quote one of its values.
  const why = result instanceof EvaluationError && !isSecret(subject) ? `: ${result.message}` : ''
  return { kind: 'denied', message: `${what} cannot be evaluated${why}`, place }
}

function messageOf({ expression, message, messageRun }: CompiledValidation, subject: Subject, frame: Frame): string {
  const made = messageRun === undefined || isSecret(subject) ? '' : madeMessage(messageRun, frame)
  return made || message?.trim() || `failed expression: ${expression.trim()}`
}

function isSecret({ object }: Subject): boolean {
  return object.apiVersion === 'v1' && object.kind === 'Secret'
}

function faultOf(
  policy: CompiledPolicy,
  binding: Binding | undefined,
  { rendered }: Subject,
  { kind, message, place }: Decision,
): Fault {
  const by = binding === undefined ? `policy ${policy.name}` : `policy ${policy.name}, binding ${binding.name}`
  const code: ErrorCode = kind === 'denied' ? 'ADMISSION_DENIED' : 'ADMISSION_UNDECIDED'
  return faultAt(rendered, code, `${by}${place === undefined ? '' : ` (${place})`}: ${message}`)
}
