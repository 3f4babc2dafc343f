import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import type { Fault } from '../../contract/errors.ts'
import type { PackageFile } from '../package-file.ts'
import { judge } from '../policies/judge.ts'
import { type Policies, readPolicies } from '../policies/read-policies.ts'
import { type Resource, resourceOf } from '../policies/resources.ts'
import { isExempt, type Surroundings, subjectOf } from '../policies/subject.ts'
import type { Rendered, RenderedObject } from '../render/rendered.ts'
import type { Kubernetes } from '../schemas/builtins.ts'
import { customKey, customKindsOf, isCrd } from '../schemas/crds.ts'
import type { Findings } from './schemas.ts'

/**
 * The team's admission policies against every object, as the API server would judge its create. A denial is a fault, and so is what
 * cannot be told without a cluster; where a binding only warns or audits, a warning.
 */
export function checkPolicies(
  rendered: Rendered,
  { file, policiesLine }: PackageFile,
  kubernetes: Kubernetes,
): Findings {
  if (rendered.policies === undefined) return { faults: [], warnings: [] }
  const policies = readPolicies(rendered.policies)
  const faults: Fault[] = [...policies.faults]
  // Where its files are at fault, that is why there is none.
  if (rendered.faults.length + faults.length === 0 && policies.policies.length === 0)
    faults.push({
      code: 'ADMISSION_INVALID',
      message: 'spec.policies names no ValidatingAdmissionPolicy',
      file,
      line: policiesLine,
    })
  const warnings: Fault[] = []
  for (const environment of Object.values(rendered.environments))
    for (const { fault, warns } of judgeAll(environment, policies, surroundingsOf(environment, rendered, kubernetes)))
      (warns ? warnings : faults).push(fault)
  return { faults, warnings }
}

function judgeAll(objects: readonly RenderedObject[], { policies, params }: Policies, around: Surroundings) {
  const source = { objects: params, around }
  return objects.flatMap((rendered) => {
    const { object } = rendered
    if (!isKubeObject(object) || isExempt(object)) return []
    const subject = subjectOf(rendered, object, around)
    return policies.flatMap(({ policy, bindings }) => judge(policy, bindings, subject, source))
  })
}

function surroundingsOf(
  objects: readonly RenderedObject[],
  { schemas = [] }: Rendered,
  kubernetes: Kubernetes,
): Surroundings {
  const crds = [...objects, ...schemas].filter(isCrd)
  const custom = customKindsOf(crds)
  const resources = new Map<string, Resource | undefined>()
  const namespaces = new Map<string, KubeObject>()
  for (const { object } of objects)
    if (isKubeObject(object) && object.apiVersion === 'v1' && object.kind === 'Namespace')
      namespaces.set(object.metadata.name, object)
  return {
    namespaces,
    isBuiltin: (group) => kubernetes.builtins.groups.has(group),
    resourceOf: (apiVersion, kind) => {
      const key = `${apiVersion} ${kind}`
      if (!resources.has(key)) resources.set(key, resourceOf(apiVersion, kind, kubernetes, crds))
      return resources.get(key)
    },
    schemaOf: (apiVersion, kind) => {
      const version = apiVersion.slice(apiVersion.indexOf('/') + 1)
      return custom.get(customKey(apiVersion, kind))?.versions.find((one) => one.version === version)?.schema
    },
  }
}
