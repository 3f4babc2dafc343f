import { type KubeObject, objectKey } from '../../contract/artifact/objects.ts'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import type { DesiredObject } from './desired.ts'

/** `objectKey` of everything that the set brings and that does not exist yet. */
export type SetFacts = { readonly absent: ReadonlySet<string> }

/** Pure. */
export function setFacts(looked: readonly { readonly desired: DesiredObject; readonly absent: boolean }[]): SetFacts {
  return { absent: new Set(looked.filter(({ absent }) => absent).map(({ desired }) => desired.key)) }
}

/** What an object has to wait for before it can be dry-run, as far as that is known beforehand. Pure. */
export function deferralOf(
  { kindInSet, id, object }: DesiredObject,
  live: KubeObject | undefined,
  { absent }: SetFacts,
): 'kind' | 'namespace' | 'reference' | undefined {
  if (kindInSet) return 'kind'
  if (live !== undefined) return undefined
  if (id.namespace !== '' && absent.has(objectKey({ group: '', kind: 'Namespace', namespace: '', name: id.namespace })))
    return 'namespace'
  // Admission refuses a Pod, and a Pod alone, whose account or priority class is not there.
  if (id.group === '' && id.kind === 'Pod' && podReferences(object).some((key) => absent.has(key))) return 'reference'
  return undefined
}

function podReferences({ spec, metadata }: KubeObject): string[] {
  const { serviceAccountName, priorityClassName } = isJsonObject(spec) ? spec : ({} satisfies JsonObject)
  const namespace = metadata.namespace ?? ''
  return [
    ...(typeof serviceAccountName === 'string'
      ? [objectKey({ group: '', kind: 'ServiceAccount', namespace, name: serviceAccountName })]
      : []),
    ...(typeof priorityClassName === 'string'
      ? [objectKey({ group: 'scheduling.k8s.io', kind: 'PriorityClass', namespace: '', name: priorityClassName })]
      : []),
  ]
}

/** True for a binding whose Role or ClusterRole is in the set and not there yet: the server answers NotFound to most accounts. Pure. */
export function isRoleAbsent({ object, id }: DesiredObject, { absent }: SetFacts): boolean {
  const { roleRef } = object
  if (id.group !== 'rbac.authorization.k8s.io' || !isJsonObject(roleRef)) return false
  const { kind, name } = roleRef
  if (typeof kind !== 'string' || typeof name !== 'string') return false
  const namespace = kind === 'Role' ? id.namespace : ''
  return absent.has(objectKey({ group: id.group, kind, namespace, name }))
}
