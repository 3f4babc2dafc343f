import { groupOf } from '../../contract/artifact/objects.ts'
import type { Fault } from '../../contract/errors.ts'
import { fieldText, type SchemaFault } from '../../contract/schema/validate.ts'
import type { PackageFile } from '../package-file.ts'
import { faultAt, type Rendered, type RenderedObject } from '../render/rendered.ts'
import { deprecation, missingKind, preview } from '../schemas/api-versions.ts'
import { type Kubernetes, kindKey } from '../schemas/builtins.ts'
import { type CustomKind, type CustomKinds, crdFaults, customKey, customKindsOf, isCrd } from '../schemas/crds.ts'
import { nearest } from '../schemas/suggest.ts'
import { createValidators, type Validators } from '../schemas/validators.ts'
import { RuleCheck } from './rules.ts'

/** What is wrong, and what people should see though it passes. */
export type Findings = { readonly faults: readonly Fault[]; readonly warnings: readonly Fault[] }

/**
 * Objects against the schemas of the pinned Kubernetes and of CRDs, those of their environment before those of `spec.schemas`: unknown
 * and wrong fields, what rules of CRDs refuse, API versions that are not served, deprecated ones, CRDs that the API server would not take. What cannot be
 * checked is told as a warning.
 */
export function checkSchemas(rendered: Rendered, packageFile: PackageFile, kubernetes: Kubernetes): Findings {
  const found: Finding[] = [...pinFindings(packageFile, kubernetes)]
  const validators = createValidators(kubernetes)
  const rules = new RuleCheck()
  const shared = rendered.schemas ?? []
  for (const object of shared)
    found.push(...(isCrd(object) ? crdFindings(object, kubernetes, validators) : [fault(noCrd(object))]))
  for (const objects of Object.values(rendered.environments)) {
    const own = objects.filter(isCrd)
    const custom = new Map([...customKindsOf(shared.filter(isCrd)), ...customKindsOf(own)])
    for (const object of objects) found.push(...objectFindings(object, custom, kubernetes, { validators, rules }))
    found.push(...own.flatMap((crd) => crdFaults(crd).map(fault)), ...unknownKinds(objects, custom, kubernetes))
  }
  found.push(...rules.warnings().map(warning))
  const only = (severity: Finding['severity']) => found.flatMap((one) => (one.severity === severity ? [one.fault] : []))
  return { faults: only('fault'), warnings: only('warning') }
}

type Finding = { readonly severity: 'fault' | 'warning'; readonly fault: Fault }
const fault = (one: Fault): Finding => ({ severity: 'fault', fault: one })
const warning = (one: Fault): Finding => ({ severity: 'warning', fault: one })

function pinFindings({ file, kubernetesLine }: PackageFile, { pinned, known }: Kubernetes): readonly Finding[] {
  const place = { file, line: kubernetesLine }
  const range = `${known[0]} to ${known.at(-1)}`
  if (pinned === undefined) {
    const message = `spec.kubernetes.version pins no version, so fields of Kubernetes' own kinds are not checked; ${range} are known`
    return [warning({ code: 'KUBERNETES_UNPINNED', message, ...place })]
  }
  if (known.includes(pinned)) return []
  const message = `spec.kubernetes.version pins ${pinned}; schemas are known for ${range}`
  return [fault({ code: 'KUBERNETES_UNKNOWN', message, ...place })]
}

function noCrd(object: RenderedObject): Fault {
  const message = 'spec.schemas takes CustomResourceDefinitions of apiextensions.k8s.io/v1, and nothing else'
  return faultAt(object, 'CRD_INVALID', message)
}

function crdFindings(crd: RenderedObject, kubernetes: Kubernetes, validators: Validators): readonly Finding[] {
  return [...crdFaults(crd).map(fault), ...builtinFindings(crd, kubernetes, validators)]
}

type Readers = { readonly validators: Validators; readonly rules: RuleCheck }

function objectFindings(
  rendered: RenderedObject,
  custom: CustomKinds,
  kubernetes: Kubernetes,
  readers: Readers,
): readonly Finding[] {
  const { apiVersion, kind } = rendered.object
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return []
  const definition = custom.get(customKey(apiVersion, kind))
  if (definition !== undefined) return customFindings(rendered, definition, readers)
  return isBuiltin(apiVersion, kubernetes) ? builtinFindings(rendered, kubernetes, readers.validators) : []
}

function customFindings(
  rendered: RenderedObject,
  custom: CustomKind,
  { validators, rules }: Readers,
): readonly Finding[] {
  const { apiVersion, kind } = rendered.object
  const name = String(apiVersion).slice(String(apiVersion).indexOf('/') + 1)
  const version = custom.versions.find((one) => one.version === name && one.served)
  if (version === undefined) {
    const served = custom.versions.filter((one) => one.served).map((one) => one.version)
    const message = `${apiVersion} ${kind}: its CRD (${custom.crd.origin.file}) serves ${served.join(', ') || 'no version'}`
    return [fault(faultAt(rendered, 'API_UNKNOWN', message, ['apiVersion']))]
  }
  const deprecated = version.deprecated
    ? [
        warning(
          faultAt(rendered, 'API_DEPRECATED', `${apiVersion} ${kind} is deprecated, as its CRD says`, ['apiVersion']),
        ),
      ]
    : []
  if (version.schema === undefined) return deprecated
  const validate = validators.custom(version.schema)
  const message = `its fields are not checked: Waybill cannot follow the schema in ${custom.crd.origin.file}`
  if (validate === undefined) return [...deprecated, warning(faultAt(rendered, 'SCHEMA_MISSING', message))]
  const faults = validate(rendered.object)
  const refused = rules.faultsOf(rendered, custom, version, faults)
  return [...deprecated, ...fieldFaults(rendered, faults), ...refused.map(fault)]
}

function builtinFindings(rendered: RenderedObject, kubernetes: Kubernetes, validators: Validators): readonly Finding[] {
  const { pinned, known, builtins } = kubernetes
  if (pinned === undefined || !known.includes(pinned)) return []
  const type = { apiVersion: String(rendered.object.apiVersion), kind: String(rendered.object.kind) }
  const kind = builtins.kinds.get(kindKey(type))
  if (kind === undefined) return [fault(faultAt(rendered, ...missingKind(type, pinned, kubernetes), ['apiVersion']))]
  const warnings = [deprecation(type, pinned, kubernetes), preview(type, pinned)].flatMap((one) =>
    one === undefined ? [] : [warning(faultAt(rendered, ...one, ['apiVersion']))],
  )
  return [...warnings, ...fieldFaults(rendered, validators.builtin(kind.definition)(rendered.object))]
}

function fieldFaults(rendered: RenderedObject, faults: readonly SchemaFault[]): readonly Finding[] {
  return faults.map((one) => {
    const code = one.known === undefined ? 'FIELD_INVALID' : 'FIELD_UNKNOWN'
    return fault(faultAt(rendered, code, sayFault(rendered, one), one.path))
  })
}

function sayFault({ object }: RenderedObject, { path, message, known }: SchemaFault): string {
  const where = fieldText(object.kind === 'Secret' ? path.map(withoutValue) : path)
  const meant = known === undefined ? undefined : nearest(String(path.at(-1)), known)
  return `${where}: ${message}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** What no key of a Secret can be is a value in the wrong place. */
function withoutValue(step: string | number): string | number {
  return typeof step === 'number' || /^[-._a-zA-Z0-9]{1,253}$/.test(step) ? step : '…'
}

/** Kinds that nobody gave a schema for, once each. */
function unknownKinds(
  objects: readonly RenderedObject[],
  custom: CustomKinds,
  kubernetes: Kubernetes,
): readonly Finding[] {
  const unknown = objects.filter(
    ({ object: { apiVersion, kind } }) =>
      typeof apiVersion === 'string' &&
      typeof kind === 'string' &&
      !isBuiltin(apiVersion, kubernetes) &&
      !custom.has(customKey(apiVersion, kind)),
  )
  const byKind = Map.groupBy(unknown, ({ object }) => `${object.apiVersion} ${object.kind}`)
  return [...byKind].flatMap(([type, [first, ...rest]]) => {
    if (first === undefined) return []
    const others = rest.length === 0 ? '' : ` (and ${rest.length} more)`
    const message = `fields of ${type}${others} are not checked: neither its environment nor spec.schemas has its CRD`
    return [warning(faultAt(first, 'SCHEMA_MISSING', message, ['apiVersion']))]
  })
}

function isBuiltin(apiVersion: string, { builtins }: Kubernetes): boolean {
  return builtins.groups.has(groupOf(apiVersion))
}
