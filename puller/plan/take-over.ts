import type { KubeObject } from '../../contract/artifact/objects.ts'
import { LAST_APPLIED } from '../../contract/artifact/secret-values.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import { changedValues, type Difference, differenceOf, FIELDS_LISTED_MAX } from './diff.ts'
import {
  appliedEntry,
  type FieldPath,
  filterFields,
  heldPaths,
  type ManagedEntry,
  managedEntries,
  pathsTouch,
  pathText,
  uniteFields,
} from './managed-fields.ts'

/**
 * Field managers of the tools that people deliver with: kubectl's apply, create and replace, Flux, Argo CD, Helm. Theirs is what an
 * adoption takes over; autoscalers, controllers and edits by hand keep what they hold.
 */
const DELIVERERS: ReadonlySet<string> = new Set([
  'before-first-apply',
  'kubectl',
  'kubectl-client-side-apply',
  'kubectl-create',
  'kubectl-replace',
  'flux',
  'kustomize-controller',
  'helm-controller',
  'argocd',
  'argocd-controller',
  'argocd-application-controller',
  'helm',
])

/** What becomes of the managers of an object when it is adopted. */
export type TakeOver = {
  /** Whose fields become ours; sorted. */
  readonly managers: readonly string[]
  /** A JSON patch (RFC 6902) that holds for exactly this version of the object. */
  readonly patch: readonly JsonObject[]
  /** Our entry's fields after it. */
  readonly fields: JsonObject
}

/**
 * Moves what the tools hold that delivered an object until now into our own entry, so that the apply that follows takes away what
 * the artifact does not have, and later ones what leaves it; `ignored` fields are then held by nobody, and keep their values. kubectl's copy of the
 * object goes. Undefined: there is nothing to move. Pure.
 */
export function takeOver(
  live: KubeObject,
  apiVersion: string,
  ignored: (path: FieldPath) => boolean,
): TakeOver | undefined {
  const entries = managedEntries(live)
  const replaced = entries.filter((entry) => isReplaced(entry, apiVersion))
  const { annotations, managedFields, resourceVersion, uid } = live.metadata
  const hasCopy = isJsonObject(annotations) && annotations[LAST_APPLIED] !== undefined
  if (replaced.length === 0 && !hasCopy) return undefined
  const fields = [...entries.filter(isOurs), ...replaced].reduce<JsonObject>(
    (all, entry) =>
      uniteFields(
        all,
        filterFields(entry.fields, (path) => !ignored(path)),
      ),
    {},
  )
  const listed = (Array.isArray(managedFields) ? managedFields : []).filter(isJsonObject)
  const stay = listed.filter(
    (_, i) => entries[i] !== undefined && !isOurs(entries[i]) && !replaced.includes(entries[i]),
  )
  const time = replaced
    .map((entry) => entry.time ?? '')
    .sort()
    .at(-1)
  const ours: Json = {
    manager: FIELD_MANAGER,
    operation: 'Apply',
    apiVersion,
    ...(time !== undefined && time !== '' && { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
  }
  const test = (path: string, value: Json | undefined): JsonObject => ({ op: 'test', path, value: value ?? null })
  return {
    managers: [...new Set(replaced.map(({ manager }) => manager))].sort(),
    fields,
    patch: [
      test('/metadata/uid', uid),
      test('/metadata/resourceVersion', resourceVersion),
      test('/metadata/managedFields', managedFields),
      { op: 'replace', path: '/metadata/managedFields', value: [...stay, ours] },
      ...(hasCopy ? [{ op: 'remove', path: `/metadata/annotations/${LAST_APPLIED.replaceAll('/', '~1')}` }] : []),
    ],
  }
}

function isReplaced({ manager, apiVersion, subresource }: ManagedEntry, ours: string): boolean {
  // In another version the same field may have another path.
  return DELIVERERS.has(manager) && apiVersion === ours && subresource === ''
}

function isOurs({ manager, operation, subresource }: ManagedEntry): boolean {
  return manager === FIELD_MANAGER && operation === 'Apply' && subresource === ''
}

/**
 * What adopting an object changes in it: the values that our apply changes, and what goes because its former managers held it and the
 * artifact does not have it; not what only gets another holder. `manager` names them. `dryRun` was answered before the move. Pure.
 */
export function adoptionOf(live: KubeObject, dryRun: KubeObject, ignored: (path: FieldPath) => boolean): Difference {
  const { values: _values, fields: _held, ...difference } = differenceOf(live, dryRun, ignored)
  const move = takeOver(live, dryRun.apiVersion, ignored)
  const dropped = move === undefined ? [] : droppedFields(live, dryRun, move)
  const changed = [...changedValues(live, dryRun, ignored), ...dropped].map(pathText)
  const fields = [...new Set(changed)].sort().slice(0, FIELDS_LISTED_MAX)
  const manager = move?.managers.join(', ').slice(0, 256)
  return { ...difference, fields, ...(manager && { manager }) }
}

function droppedFields(live: KubeObject, dryRun: KubeObject, { fields }: TakeOver): readonly FieldPath[] {
  const applied = [...heldPaths(appliedEntry(dryRun, FIELD_MANAGER)?.fields ?? {}).values()]
  const others = managedEntries(live)
    .filter((entry) => !isReplaced(entry, dryRun.apiVersion) && !isOurs(entry))
    .flatMap((entry) => [...heldPaths(entry.fields).values()])
  const kept = [...applied, ...others]
  return [...heldPaths(fields).values()].filter((path) => !kept.some((other) => pathsTouch(path, other)))
}
