import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import {
  appliedEntry,
  type FieldPath,
  filterFields,
  heldPaths,
  managedEntries,
  pathsTouch,
  stepOf,
  uniteFields,
} from '../plan/managed-fields.ts'
import { intruders, type Kind } from './print.ts'

type Ignored = (path: FieldPath) => boolean

/**
 * What others put into an object's pod template that our apply neither declares nor takes away: a sidecar, a variable, an annotation. An
 * item or map that is theirs altogether is one path. Pure.
 */
export function intrusions(kind: Kind, live: KubeObject, ignored: Ignored): readonly FieldPath[] {
  const ours = appliedEntry(live, FIELD_MANAGER)?.fields ?? {}
  const isSpared = (path: FieldPath) => ignored(path) || isRestart(path)
  const paths = intruders(kind, live)
    .filter(({ apiVersion }) => apiVersion === live.apiVersion)
    .flatMap(({ fields }) => foreign(fields, ours, [], isSpared))
  return [...new Map(paths.map((path) => [canonicalJson(path), path])).values()]
}

/** `kubectl rollout restart` leaves it behind. What was restarted is not restarted again to take that away. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt'

function isRestart(path: FieldPath): boolean {
  const last = path.at(-1)
  return last !== undefined && 'field' in last && last.field === RESTARTED_AT
}

function foreign(theirs: JsonObject, ours: JsonObject, at: FieldPath, ignored: Ignored): readonly FieldPath[] {
  return Object.entries(theirs).flatMap(([name, below]) => {
    if (name === '.') return []
    const path = [...at, stepOf(name)]
    const [inside, own] = [below, ours[name]].map((fields) => (isJsonObject(fields) ? fields : undefined))
    const isLeaf = inside === undefined || Object.keys(inside).length === 0
    if (isLeaf) return own !== undefined || ignored(path) ? [] : [path]
    const isTheirs = own === undefined && inside['.'] !== undefined
    const isSpared = [...heldPaths(inside).values()].some((rest) => ignored([...path, ...rest]))
    return isTheirs && !isSpared && !ignored(path) ? [path] : foreign(inside, own ?? {}, path, ignored)
  })
}

/** An object without what is at these paths, as it is once they are taken away. Pure. */
export function withoutPaths(object: KubeObject, paths: readonly FieldPath[]): KubeObject {
  let rest: JsonObject = object
  for (const path of paths) rest = without(rest, path)
  return isKubeObject(rest) ? rest : object
}

function without(value: JsonObject, [step, ...rest]: FieldPath): JsonObject {
  if (step === undefined || !('field' in step)) return value
  const { [step.field]: below, ...others } = value
  if (below === undefined) return value
  const left = rest.length === 0 ? undefined : withoutBelow(below, rest)
  return left === undefined ? others : { ...others, [step.field]: left }
}

/** Undefined: nothing is left of it. */
function withoutBelow(value: Json, path: FieldPath): Json | undefined {
  const [step, ...rest] = path
  if (isJsonObject(value)) return without(value, path)
  if (!Array.isArray(value) || step === undefined || !('keys' in step)) return value
  const isIt = (item: Json) =>
    isJsonObject(item) &&
    Object.entries(step.keys).every(([key, of]) => canonicalJson(item[key] ?? null) === canonicalJson(of ?? null))
  const left = value.flatMap((item: Json): Json[] => {
    if (!isIt(item)) return [item]
    const kept = rest.length === 0 ? undefined : withoutBelow(item, rest)
    return kept === undefined ? [] : [kept]
  })
  return left.length === 0 ? undefined : left
}

/**
 * Makes ours what others put into the pod template, so that the apply that follows takes it away: a JSON patch (RFC 6902) of exactly this
 * version of the object. Undefined: there is nothing. Pure.
 */
export function reclaim(
  kind: Kind,
  live: KubeObject,
  ignored: Ignored,
): { readonly patch: readonly JsonObject[] } | undefined {
  const paths = intrusions(kind, live, ignored)
  if (paths.length === 0) return undefined
  const { managedFields, resourceVersion, uid } = live.metadata
  const listed = (Array.isArray(managedFields) ? managedFields : []).filter(isJsonObject)
  const entries = managedEntries(live)
  const isOurs = (i: number) =>
    entries[i]?.manager === FIELD_MANAGER && entries[i].operation === 'Apply' && entries[i].subresource === ''
  const isInside = (path: FieldPath) => paths.some((one) => one.length <= path.length && pathsTouch(one, path))
  const taken = entries
    .filter(({ apiVersion, subresource }, i) => !isOurs(i) && subresource === '' && apiVersion === live.apiVersion)
    .map(({ fields }) => filterFields(fields, (path) => paths.some((one) => pathsTouch(one, path))))
    .reduce((all, fields) => uniteFields(all, fields), {})
  const value = listed.flatMap((entry, i): JsonObject[] => {
    const fields = entries[i]?.fields ?? {}
    if (isOurs(i)) return [{ ...entry, fieldsV1: uniteFields(fields, taken) }]
    const left = filterFields(fields, (path) => !isInside(path))
    return Object.keys(left).length === 0 ? [] : [{ ...entry, fieldsV1: left }]
  })
  const test = (path: string, of: Json | undefined): JsonObject => ({ op: 'test', path, value: of ?? null })
  return {
    patch: [
      test('/metadata/uid', uid),
      test('/metadata/resourceVersion', resourceVersion),
      { op: 'replace', path: '/metadata/managedFields', value },
    ],
  }
}
