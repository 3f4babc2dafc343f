import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import type { ErrorCode, Fault } from '../../contract/errors.ts'
import { type FieldPath, faultAt, type RenderedObject } from '../render/rendered.ts'
import { type Binding, type CompiledPolicy, compilePolicy, ruleFaults } from './compile-policy.ts'
import { bindingSchema, type PolicySpec, policySchema } from './policy-schema.ts'

const API = 'admissionregistration.k8s.io/v1'

/** What a policies folder holds, ready to judge objects, and what is wrong with it. */
export type Policies = {
  readonly policies: readonly { readonly policy: CompiledPolicy; readonly bindings: readonly Binding[] }[]
  readonly params: readonly KubeObject[]
  readonly faults: readonly Fault[]
}

/** Reads and compiles the objects of a policies folder: policies, their bindings, and parameters. Whatever else it holds is a fault. Pure. */
export function readPolicies(objects: readonly RenderedObject[]): Policies {
  const faults: Fault[] = []
  const report = (at: RenderedObject, code: ErrorCode, message: string, path: FieldPath = []) => {
    faults.push(faultAt(at, code, message, path))
  }
  const policies: { readonly policy: CompiledPolicy; readonly whole: boolean }[] = []
  const bindings: Binding[] = []
  const others: RenderedObject[] = []
  const names = new Set<string>()
  for (const rendered of objects) {
    const { object } = rendered
    if (!isKubeObject(object)) {
      report(rendered, 'ADMISSION_INVALID', 'apiVersion, kind and metadata.name are needed')
      continue
    }
    const { apiVersion, kind, metadata } = object
    if (apiVersion !== API || !(kind in SCHEMAS)) {
      others.push(rendered)
      continue
    }
    if (names.has(`${kind} ${metadata.name}`))
      report(rendered, 'ADMISSION_INVALID', `a second ${kind} ${metadata.name}`, ['metadata', 'name'])
    names.add(`${kind} ${metadata.name}`)
    const extra = Object.keys(object).filter((field) => !['apiVersion', 'kind', 'metadata', 'spec'].includes(field))
    for (const field of extra) report(rendered, 'ADMISSION_INVALID', `${field}: no such field`, [field])
    if (kind === 'ValidatingAdmissionPolicy') {
      const parsed = parse(rendered, policySchema, report)
      if (parsed === undefined) continue
      const compiled = compilePolicy(metadata.name, parsed, rendered)
      faults.push(...compiled.faults)
      policies.push({ policy: compiled.policy, whole: compiled.faults.length === 0 })
    } else {
      const spec = parse(rendered, bindingSchema, report)
      if (spec !== undefined) bindings.push({ name: metadata.name, spec, rendered })
    }
  }
  for (const binding of bindings)
    faults.push(
      ...bindingFaults(
        binding,
        policies.map(({ policy }) => policy),
      ),
    )
  for (const { policy } of policies) faults.push(...paramFaults(policy, bindingsOf(policy, bindings)))
  const kinds = new Set(policies.flatMap(({ policy: { spec } }) => paramKey(spec)))
  const params = others.filter(({ object }) => kinds.has(`${object.apiVersion} ${object.kind}`))
  for (const other of others.filter((one) => !params.includes(one))) {
    const isMutating = String(other.object.kind).startsWith('MutatingAdmissionPolicy')
    if (isMutating)
      report(other, 'ADMISSION_UNSUPPORTED', 'a MutatingAdmissionPolicy changes objects, which CI does not', ['kind'])
    else
      report(
        other,
        'ADMISSION_INVALID',
        `${other.object.apiVersion} ${other.object.kind} has no place among policies`,
        ['kind'],
      )
  }
  return {
    policies: policies
      .filter(({ whole }) => whole)
      .map(({ policy }) => ({ policy, bindings: bindingsOf(policy, bindings) })),
    params: params.map(({ object }) => object).filter(isKubeObject),
    faults,
  }
}

const SCHEMAS = { ValidatingAdmissionPolicy: policySchema, ValidatingAdmissionPolicyBinding: bindingSchema }

type Report = (at: RenderedObject, code: ErrorCode, message: string, path?: FieldPath) => void
type Issue = { readonly path: readonly PropertyKey[]; readonly message: string; readonly keys?: readonly string[] }
type Schema<T> = {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } }
}

function parse<T>(rendered: RenderedObject, schema: Schema<T>, report: Report): T | undefined {
  const parsed = schema.safeParse(rendered.object.spec)
  if (parsed.success) return parsed.data
  for (const { path, message, keys } of parsed.error.issues) {
    const at = ['spec', ...path.map((step) => (typeof step === 'number' ? step : String(step)))]
    const unknown = keys?.map((key) => [[...at, key], 'no such field'] as const)
    for (const [where, what] of unknown ?? [[at, message] as const])
      report(rendered, 'ADMISSION_INVALID', `${where.join('.')}: ${what}`, where)
  }
  return undefined
}

function bindingsOf({ name }: CompiledPolicy, bindings: readonly Binding[]): readonly Binding[] {
  return bindings.filter(({ spec }) => spec.policyName === name)
}

function bindingFaults({ name, spec, rendered }: Binding, policies: readonly CompiledPolicy[]): readonly Fault[] {
  const faults = ruleFaults(spec.policyName, spec.matchResources ?? {}, rendered, ['spec', 'matchResources'])
  const add = (code: ErrorCode, message: string, path: FieldPath) => {
    faults.push(faultAt(rendered, code, `binding ${name}: ${message}`, path))
  }
  if (!policies.some((policy) => policy.name === spec.policyName))
    add('ADMISSION_INVALID', `the policies folder has no policy ${spec.policyName}`, ['spec', 'policyName'])
  const { paramRef } = spec
  if (paramRef?.selector !== undefined)
    add('ADMISSION_UNSUPPORTED', 'parameters by selector, which CI cannot find', ['spec', 'paramRef', 'selector'])
  else if (paramRef !== undefined && paramRef.name === undefined)
    add('ADMISSION_INVALID', 'paramRef needs a name', ['spec', 'paramRef'])
  return faults
}

/** Parameters come out of the folder, so somebody must say which; and never out of a Secret, whose values have no place in Git. */
function paramFaults({ name, spec, rendered }: CompiledPolicy, bindings: readonly Binding[]): readonly Fault[] {
  const path = ['spec', 'paramKind']
  if (spec.paramKind === undefined) return []
  if (spec.paramKind.apiVersion === 'v1' && spec.paramKind.kind === 'Secret')
    return [faultAt(rendered, 'ADMISSION_UNSUPPORTED', `policy ${name}: parameters from a Secret`, path)]
  if (bindings.length > 0) return []
  const message = `policy ${name}: it takes parameters, and no binding of the folder says which`
  return [faultAt(rendered, 'ADMISSION_UNSUPPORTED', message, path)]
}

function paramKey({ paramKind }: PolicySpec): readonly string[] {
  return paramKind === undefined ? [] : [`${paramKind.apiVersion} ${paramKind.kind}`]
}
