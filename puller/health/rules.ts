import { groupOf, type KubeObject } from '../../contract/artifact/objects.ts'
import { compileObjectExpression, type ObjectExpression, subjectOf } from '../../contract/cel/object-expression.ts'
import type { DesiredObject } from '../plan/desired.ts'
import type { PlanContext } from '../plan/plan-context.ts'
import { isObserved } from './conditions.ts'
import { healthOf, isStatic, isWellByItself } from './health.ts'
import { runOnce } from './health-rules.ts'
import { failed, HEALTHY, type HealthRule, type ObjectHealth, waiting } from './object-health.ts'

/** Whose health is looked at, and how it is told: by the Delivery's own expressions where it has some for the kind, else by the kind's rules. */
export type HealthRules = {
  /** False for what is well as soon as it exists: it is neither listed nor watched. */
  isWatched(desired: Pick<DesiredObject, 'resource' | 'runsOnce'>): boolean
  /** True where the answer to our own write says for good that it is well. */
  isSettled(desired: Pick<DesiredObject, 'runsOnce'>, written: KubeObject): boolean
  judge(desired: Pick<DesiredObject, 'runsOnce'>, object: KubeObject): ObjectHealth
}

/** Expressions that do not compile are passed over: parsing the Delivery refused them. */
export function rulesOf({ health = [] }: Pick<PlanContext, 'health'>): HealthRules {
  const own = new Map(health.map((one) => [one.kind, ruleFrom(one)]))
  return {
    isWatched: ({ resource }) => resource !== undefined && (own.has(nameOf(resource)) || !isStatic(resource)),
    isSettled: ({ runsOnce }, written) =>
      !runsOnce &&
      !own.has(nameOf({ group: groupOf(written.apiVersion), kind: written.kind })) &&
      isWellByItself(written),
    judge: ({ runsOnce }, object) => {
      if (runsOnce) return runOnce(object)
      const type = { group: groupOf(object.apiVersion), kind: object.kind }
      const rule = own.get(nameOf(type))
      if (rule !== undefined) return rule(object)
      return isStatic(type) && object.metadata.deletionTimestamp === undefined ? HEALTHY : healthOf(object)
    },
  }
}

/** `Deployment.apps`, `Secret` */
function nameOf({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return group === '' ? kind : `${kind}.${group}`
}

/** As Flux has it: what is not observed yet waits; then `inProgress`, `failed` and `current` are asked, and what none of them knows waits. */
function ruleFrom({ current, inProgress, failed: broken }: NonNullable<PlanContext['health']>[number]): HealthRule {
  const [isCurrent, isInProgress, isFailed] = [current, inProgress, broken].map(compiled)
  return (object) => {
    if (object.metadata.deletionTimestamp !== undefined) return waiting('being deleted')
    if (!isObserved(object)) return waiting('its controller has not seen this generation yet')
    const subject = subjectOf(object)
    const ask = (expression: ObjectExpression | undefined) => expression?.evaluate(subject)
    const [progressing, failing, well] = [ask(isInProgress), ask(isFailed), ask(isCurrent)]
    if (isTrue(progressing)) return waiting('in progress, by its expression')
    if (isTrue(failing)) return failed('failed, by its expression')
    if (isTrue(well)) return HEALTHY
    const untold = [well, failing, progressing].find((verdict) => verdict?.kind === 'error')
    return waiting(
      untold?.kind === 'error' ? `its expression cannot be told: ${untold.message}` : 'not current, by its expression',
    )
  }
}

function compiled(source: string | undefined): ObjectExpression | undefined {
  const made = source === undefined ? undefined : compileObjectExpression(source)
  return made?.kind === 'compiled' ? made.expression : undefined
}

function isTrue(verdict: ReturnType<ObjectExpression['evaluate']> | undefined): boolean {
  return verdict?.kind === 'value' && verdict.value
}
