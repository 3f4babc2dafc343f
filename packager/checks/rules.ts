import type { JsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { type FieldPath, fieldText, type SchemaFault } from '../../contract/schema/validate.ts'
import { withDefaults } from '../policies/custom-defaults.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'
import type { CustomKind, CustomVersion } from '../schemas/crds.ts'
import { compileRules, type Rule, type RuleGap } from '../schemas/rules.ts'

/** Of what these say is wrong, the API server says so alone, and evaluates no rule (customresource/strategy.go, hasBlockingErr). */
const BLOCKING = new Set(['type', 'required', 'enum', 'maxLength', 'maxItems', 'maxProperties'])
const RULE_CHARS_MAX = 200

type Missed = RuleGap & { readonly object: RenderedObject; readonly place: string; others: number }

/** Rules of CRDs against custom objects, for one check; remembers what could not be told. Each schema's are compiled when its first object comes. */
export class RuleCheck {
  readonly #compiled = new Map<JsonObject, ReturnType<typeof compileRules>>()
  readonly #missed = new Map<Rule, Missed>()

  /** What rules refuse of an object, of which its schema says `known`. */
  faultsOf(
    rendered: RenderedObject,
    { crd }: CustomKind,
    { schema, hasStatus, schemaPath }: CustomVersion,
    known: readonly SchemaFault[],
  ): readonly Fault[] {
    if (schema === undefined || known.some(({ keyword }) => BLOCKING.has(keyword))) return []
    if (!this.#compiled.has(schema)) this.#compiled.set(schema, compileRules(schema))
    const verdicts = this.#compiled.get(schema)?.(admitted(rendered.object, schema, { hasStatus }))
    for (const gap of verdicts?.gaps ?? []) {
      const before = this.#missed.get(gap.rule)
      const { file, line } = faultAt(crd, 'RULE_UNCHECKED', '', [...schemaPath, ...gap.rule.path])
      const place = line === undefined ? file : `${file}:${line}`
      if (before !== undefined) before.others++
      else this.#missed.set(gap.rule, { ...gap, object: rendered, place: `${place}`, others: 0 })
    }
    return (verdicts?.faults ?? []).map(({ path, message }) =>
      faultAt(rendered, 'FIELD_INVALID', `${pathText(path)}: ${message}`, path),
    )
  }

  /**
   * What was not told, once for each rule. Other than of the team's own policies it is a warning: the rules of somebody else's CRD are not the team's to
   * write in another way, and the puller has the API server evaluate them, in a dry run, before it writes.
   */
  warnings(): readonly Fault[] {
    return [...this.#missed.values()].map(({ rule, path, why, object, place, others }) => {
      const source = rule.source.replaceAll(/\s+/g, ' ')
      const shown = source.length > RULE_CHARS_MAX ? `${source.slice(0, RULE_CHARS_MAX)}…` : source
      const more = others === 0 ? '' : ` (and ${others} more)`
      return faultAt(
        object,
        'RULE_UNCHECKED',
        `${pathText(path)}${more}: rule '${shown}' (${place}) is not checked: ${why}`,
        path,
      )
    })
  }
}

const pathText = (path: FieldPath) => (path.length === 0 ? 'the object' : fieldText(path))

/** As the API server has it when it evaluates rules. */
function admitted(object: JsonObject, schema: JsonObject, { hasStatus }: { readonly hasStatus: boolean }): JsonObject {
  const { status, ...rest } = withDefaults(object, schema)
  return hasStatus || status === undefined ? rest : { ...rest, status }
}
