import { groupOf } from '../../contract/artifact/objects.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { compareMinors, type Kubernetes, kindKey } from './builtins.ts'
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
    const [next] = [livingSuccessor(type, pinned, lifecycles) ?? inGroup].flat()
    const use = next === undefined ? 'it has no successor' : `use ${next.apiVersion} ${next.kind}`
    return ['API_REMOVED', `${name} is gone since Kubernetes ${removed}; ${use}`]
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

/** The first successor, or successor's successor, that is not gone itself. */
function livingSuccessor(type: TypeName, pinned: string, lifecycles: Lifecycles): TypeName | undefined {
  const next = lifecycles.get(kindKey(type))?.successor
  if (next === undefined || removedIn(next, pinned, lifecycles) === undefined) return next
  return livingSuccessor(next, pinned, lifecycles)
}

/** What to say of a version that is served, and is deprecated. */
export function deprecation(type: TypeName, pinned: string, { builtins, lifecycles }: Kubernetes): Said | undefined {
  const lifecycle = lifecycles.get(kindKey(type))
  if (lifecycle === undefined || compareMinors(lifecycle.deprecated, pinned) > 0) return undefined
  const { deprecated, removed, successor } = lifecycle
  const goes = removed === undefined ? '' : ` and goes in ${removed}`
  const stable = [...builtins.kinds.values()].find(
    (one) =>
      one.kind === type.kind && groupOf(one.apiVersion) === groupOf(type.apiVersion) && /\bv\d+$/.test(one.apiVersion),
  )
  const use = successor ?? (stable?.apiVersion === type.apiVersion ? undefined : stable)
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
