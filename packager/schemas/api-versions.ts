import { groupOf } from '../../contract/artifact/objects.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { type Builtins, compareMinors, type Kubernetes, kindKey } from './builtins.ts'
import { nearest } from './suggest.ts'

/** A type as an object names it. */
export type TypeName = { readonly apiVersion: string; readonly kind: string }
/** A code and its message. */
export type Said = readonly [ErrorCode, string]

/** Why the pinned Kubernetes has no such kind, and what to write instead where that is known. */
export function missingKind(type: TypeName, pinned: string, { builtins, lifecycles }: Kubernetes): Said {
  const name = `${type.apiVersion} ${type.kind}`
  const kinds = [...builtins.kinds.values()]
  const same = kinds.filter(({ kind }) => kind === type.kind)
  const inGroup = same.filter(({ apiVersion }) => groupOf(apiVersion) === groupOf(type.apiVersion))
  const removed = removedIn(type, pinned, lifecycles)
  if (removed !== undefined) {
    const use = successorOf(type, builtins, lifecycles)
    const next = use === undefined ? 'it has no successor' : `use ${use.apiVersion} ${use.kind}`
    return ['API_REMOVED', `${name} is gone since Kubernetes ${removed}; ${next}`]
  }
  const served = (inGroup.length > 0 ? inGroup : same).map(({ apiVersion }) => apiVersion)
  if (served.length > 0) return ['API_UNKNOWN', `Kubernetes ${pinned} has no ${name}; use ${served.join(' or ')}`]
  const near = nearest(
    type.kind,
    kinds.filter(({ apiVersion }) => apiVersion === type.apiVersion).map(({ kind }) => kind),
  )
  const meant = near === undefined ? '' : `; did you mean ${near}?`
  return ['API_UNKNOWN', `Kubernetes ${pinned} has no ${name} that can be applied${meant}`]
}

type Lifecycles = Kubernetes['lifecycles']

function removedIn(type: TypeName, pinned: string, lifecycles: Lifecycles): string | undefined {
  const removed = lifecycles.get(kindKey(type))?.removed
  return removed !== undefined && compareMinors(removed, pinned) <= 0 ? removed : undefined
}

/**
 * What the pinned Kubernetes serves in place of a type: the named successor, or its successor, where that is served; else the most stable
 * version of the same kind.
 */
function successorOf(type: TypeName, builtins: Builtins, lifecycles: Lifecycles): TypeName | undefined {
  const named = lifecycles.get(kindKey(type))?.successor
  if (named !== undefined && builtins.kinds.has(kindKey(named))) return named
  const others = [...builtins.kinds.values()].filter(
    (one) =>
      one.kind === type.kind &&
      groupOf(one.apiVersion) === groupOf(type.apiVersion) &&
      stability(one) > stability(type),
  )
  const [best] = others.toSorted((a, b) => stability(b) - stability(a))
  return best ?? (named === undefined ? undefined : successorOf(named, builtins, lifecycles))
}

/** Grows from v1alpha1 over v1beta1 and v1beta2 to v1 and v2. */
function stability({ apiVersion }: TypeName): number {
  const [, major, stage, minor] = /v(\d+)(?:(alpha|beta)(\d+))?$/.exec(apiVersion) ?? []
  return (stage === undefined ? 2 : stage === 'beta' ? 1 : 0) * 10_000 + Number(major) * 100 + Number(minor ?? 0)
}

/** What to say of a version that is served, and is deprecated. */
export function deprecation(type: TypeName, pinned: string, { builtins, lifecycles }: Kubernetes): Said | undefined {
  const lifecycle = lifecycles.get(kindKey(type))
  if (lifecycle === undefined || compareMinors(lifecycle.deprecated, pinned) > 0) return undefined
  const { deprecated, removed } = lifecycle
  const goes = removed === undefined ? '' : ` and goes in ${removed}`
  const use = successorOf(type, builtins, lifecycles)
  const next = use === undefined ? '' : `; use ${use.apiVersion} ${use.kind}`
  return [
    'API_DEPRECATED',
    `${type.apiVersion} ${type.kind} is deprecated since Kubernetes ${deprecated}${goes}${next}`,
  ]
}

/** What to say of a version that clusters do not serve unless they are told to: alpha, and since 1.24 beta (KEP-3136). */
export function preview({ apiVersion, kind }: TypeName, pinned: string): Said | undefined {
  if (!/v\d+(?:alpha|beta)\d+$/.test(apiVersion)) return undefined
  return ['API_PREVIEW', `Kubernetes ${pinned} serves ${apiVersion} ${kind} only where its cluster turns it on`]
}
