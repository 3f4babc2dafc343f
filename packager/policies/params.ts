import type { KubeObject } from '../../contract/artifact/objects.ts'
import { type Result, Unknown } from '../../contract/cel/values.ts'
import type { Binding, CompiledPolicy } from './compile-policy.ts'
import { admittedValue, type Subject, type Surroundings } from './subject.ts'

/** Objects of the policies folder that may be parameters, and how they are looked at. */
export type ParamSource = { readonly objects: readonly KubeObject[]; readonly around: Surroundings }

/** What `params` is for one binding and object. */
export type Params =
  | { readonly kind: 'value'; readonly value: Result }
  | { readonly kind: 'unknown'; readonly what: string }
  | { readonly kind: 'fault'; readonly message: string }

/** apiserver v0.36, admission/plugin/policy/generic: CollectParams; by name, out of the policies folder. */
export function paramsOf(
  { spec }: CompiledPolicy,
  binding: Binding | undefined,
  { namespace }: Subject,
  { objects, around }: ParamSource,
): Params {
  const { paramKind } = spec
  const paramRef = binding?.spec.paramRef
  if (paramKind === undefined || paramRef?.name === undefined) return { kind: 'value', value: null }
  const { apiVersion, kind } = paramKind
  const { name } = paramRef
  const named = objects.filter(
    (one) => one.apiVersion === apiVersion && one.kind === kind && one.metadata.name === name,
  )
  const namespaced =
    around.resourceOf(apiVersion, kind)?.namespaced ?? named.some(({ metadata }) => metadata.namespace !== undefined)
  const wanted = namespaced ? (paramRef.namespace ?? namespace) : ''
  if (wanted instanceof Unknown) return { kind: 'unknown', what: `the parameters in ${wanted.what}` }
  if (namespaced && wanted === '')
    return {
      kind: 'fault',
      message: 'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    }
  const found = named.find(({ metadata }) => (metadata.namespace ?? '') === wanted)
  if (found !== undefined) return { kind: 'value', value: admittedValue(found, around, false) }
  const where = wanted === '' ? name : `${wanted}/${name}`
  return { kind: 'unknown', what: `its parameters, ${kind} ${where}, which are not in the policies folder` }
}
