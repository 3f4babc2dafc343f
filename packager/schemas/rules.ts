import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { madeMessage } from '../../contract/cel/made-message.ts'
import type { Frame } from '../../contract/cel/node.ts'
import { EvaluationError, NONE, noSuchOverload, type Result, Unknown } from '../../contract/cel/values.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { FieldPath } from '../../contract/schema/validate.ts'
import { compileRule, type Rule } from './compile-rule.ts'
import { isEmbedded, isSeen, type SchemaPlace, schemaType, schemaValue, type TypeFields } from './rule-types.ts'

export type { Rule }

/** A rule that could not be told, where, and why. */
export type RuleGap = { readonly rule: Rule; readonly path: FieldPath; readonly why: string }

/** What the rules of a schema say of one object. */
export type RuleVerdicts = {
  readonly faults: readonly { readonly path: FieldPath; readonly message: string }[]
  readonly gaps: readonly RuleGap[]
}

/**
 * Compiles the `x-kubernetes-validations` of a CRD version's structural schema; undefined where it has none. What comes of it judges an object that
 * its schema takes, with defaults put in, as the API server judges its create: rules about `oldSelf` are passed over, unless they have optionalOldSelf.
 * All rules together may cost as much over one object as an expression of a policy does (`policyWorkMax`). Pure; never throws.
 * @see apiextensions-apiserver v0.36, pkg/apiserver/schema/cel/validation.go
 */
export function compileRules(schema: JsonObject): ((object: JsonObject) => RuleVerdicts) | undefined {
  const root = judged(schema, { isResource: true }, [])
  if (root === undefined) return undefined
  return (object) => {
    const run: Run = { faults: [], gaps: [], work: 0, steps: 0, isSpent: false }
    walk(root, object, [], run)
    return run
  }
}

/** A place of the schema that has rules, or has places below that do. */
type Judged = {
  readonly schema: JsonObject
  readonly place: SchemaPlace
  readonly rules: readonly Rule[]
  readonly items: Judged | undefined
  readonly values: Judged | undefined
  readonly properties: ReadonlyMap<string, Judged>
}

/** `path` leads to the schema from its root. Combinations have no rules: a schema whose have is not structural. */
function judged(schema: JsonObject, place: SchemaPlace, path: FieldPath): Judged | undefined {
  const below = (one: Json | undefined, step: FieldPath): Judged | undefined =>
    // What has no type is not seen by rules, and no rule is evaluated in it.
    isJsonObject(one) && isSeen(one) ? judged(one, isEmbedded(one), [...path, ...step]) : undefined
  const items = below(schema.items, ['items'])
  const values = below(schema.additionalProperties, ['additionalProperties'])
  const properties = new Map(
    Object.entries(isJsonObject(schema.properties) ? schema.properties : {}).flatMap(([name, one]) => {
      const found = below(one, ['properties', name])
      return found === undefined ? [] : [[name, found] as const]
    }),
  )
  const rules = compiled(schema, place, path)
  if (rules.length + properties.size === 0 && items === undefined && values === undefined) return undefined
  return { schema, place, rules, items, values, properties }
}

function compiled(schema: JsonObject, place: SchemaPlace, path: FieldPath): readonly Rule[] {
  const rules = schema['x-kubernetes-validations']
  if (!Array.isArray(rules) || rules.length === 0) return []
  const fields: TypeFields = {}
  const self = schemaType(schema, 'self', fields, place)
  return rules.flatMap((rule: Json, i) => compileRule(rule, [...path, 'x-kubernetes-validations', i], self, fields))
}

/** What one object came to so far. */
type Run = {
  readonly faults: { readonly path: FieldPath; readonly message: string }[]
  readonly gaps: RuleGap[]
  work: number
  steps: number
  isSpent: boolean
}

function walk(judged: Judged, json: Json | undefined, path: FieldPath, run: Run): void {
  if (json == null) return
  if (judged.rules.length > 0) {
    const self = schemaValue(json, judged.schema, judged.place)
    for (const rule of judged.rules) judge(rule, self, path, run)
  }
  if (Array.isArray(json)) {
    const { items } = judged
    if (items !== undefined) for (const [i, one] of json.entries()) walk(items, one, [...path, i], run)
  } else if (isJsonObject(json)) {
    for (const [name, one] of Object.entries(json)) {
      const below = judged.properties.get(name) ?? judged.values
      if (below !== undefined) walk(below, one, [...path, name], run)
    }
  }
}

function judge(rule: Rule, self: Result, path: FieldPath, run: Run): void {
  if (run.isSpent || rule.isTransition) return
  const gap = (why: string) => run.gaps.push({ rule, path, why })
  const { program } = rule
  if (typeof program === 'string') return void gap(program)
  const result = within(run, self, program)
  if (run.work > LIMITS.policyWorkMax) {
    run.isSpent = true
    return void gap('it costs more than CI spends on one object, and so is what comes after it')
  }
  if (result === true) return
  if (result instanceof Unknown) return void gap(`it depends on ${result.what}`)
  const text = rule.message ?? rule.source
  if (result === false) {
    const { messageProgram } = rule
    const made = messageProgram === undefined ? '' : within(run, self, (frame) => madeMessage(messageProgram, frame))
    const message = made || (rule.message ?? `failed rule: ${rule.source}`)
    run.faults.push({ path: [...path, ...rule.fieldPath], message })
  } else run.faults.push({ path, message: wordsOf(result, text) })
}

/** What it costs is the object's. */
function within<T>(run: Run, self: Result, use: (frame: Frame) => T): T {
  const frame: Frame = [self, NONE]
  frame.work = run.work
  frame.steps = run.steps
  const result = use(frame)
  run.work = frame.work ?? 0
  run.steps = frame.steps ?? 0
  return result
}

function wordsOf(result: Result, rule: string): string {
  if (!(result instanceof EvaluationError) || result === noSuchOverload)
    return `'no such overload': call arguments did not match a supported operator, function or macro signature for rule: ${rule}`
  return `${result.message} evaluating rule: ${rule}`
}
