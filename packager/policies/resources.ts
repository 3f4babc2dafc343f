import { groupOf } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { RenderedObject } from '../render/rendered.ts'
import { type Builtins, kindKey } from '../schemas/builtins.ts'

/** How the API server serves a kind: the resource that rules name, and whether its objects stand in namespaces. */
export type Resource = {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespaced: boolean
  /** Of Kubernetes itself. */
  readonly builtin: boolean
  /** Other versions (and groups) in which the same objects are served. */
  readonly equivalents: readonly { readonly group: string; readonly version: string }[]
}

/** Resources by kind: Kubernetes' own, and those of CRDs. */
export function resourceOf(
  apiVersion: string,
  kind: string,
  { builtins }: { readonly builtins: Builtins },
  crds: readonly RenderedObject[],
): Resource | undefined {
  const own = builtins.kinds.get(kindKey({ apiVersion, kind }))
  const [group, version] = [groupOf(apiVersion), versionOf(apiVersion)]
  if (own === undefined) return customResource(group, version, kind, crds)
  const { resource, namespaced } = own
  const same = [...builtins.kinds.values()].filter(
    (other) =>
      other.kind === kind && (groupOf(other.apiVersion) === group || (kind === 'Event' && resource === 'events')),
  )
  const equivalents = same
    .filter((other) => other.apiVersion !== apiVersion)
    .map((other) => ({ group: groupOf(other.apiVersion), version: versionOf(other.apiVersion) }))
  return { group, version, resource, namespaced, builtin: true, equivalents }
}

function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf('/') + 1)
}

function customResource(
  group: string,
  version: string,
  kind: string,
  crds: readonly RenderedObject[],
): Resource | undefined {
  for (const { object } of crds) {
    const spec = isJsonObject(object.spec) ? object.spec : {}
    const names: Json | undefined = spec.names
    if (spec.group !== group || !isJsonObject(names) || names.kind !== kind) continue
    const resource = names.plural
    if (typeof resource !== 'string') continue
    const versions = Array.isArray(spec.versions) ? spec.versions : []
    const served = versions.flatMap((one: Json) =>
      isJsonObject(one) && one.served === true && typeof one.name === 'string' ? [one.name] : [],
    )
    const equivalents = served.filter((name) => name !== version).map((name) => ({ group, version: name }))
    return { group, version, resource, namespaced: spec.scope !== 'Cluster', builtin: false, equivalents }
  }
  return undefined
}
