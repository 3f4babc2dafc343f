import { hash } from 'node:crypto'
import { isJsonObject, type JsonObject } from '../../contract/canonical-json.ts'
import { BREAK_GLASS, FIELD_MANAGER, LABELS } from '../kinds.ts'
import { type ManagedEntry, managedEntries } from '../plan/managed-fields.ts'

/** What of an object's metadata tells drift, in few bytes: there is one for each object that is managed. */
export type Print = {
  readonly uid: string
  /** metadata.resourceVersion. Versions of one resource can be compared (Kubernetes 1.35 promises what was always so). */
  readonly version: number
  /** The ApplySet that its label names; '' without one. */
  readonly applySet: string
  /** Changes when our own entry in managedFields, or another's fields inside a pod template, do. */
  readonly mark: string
  /** Changes when the others' entries do; where there is a generation, those for a status are left out. */
  readonly others: string
  /** Changes when why somebody changed it by hand does; '' where nobody says. */
  readonly glass: string
  /** metadata.generation; 0 for kinds that count none. */
  readonly generation: number
}

export type Kind = { readonly group: string; readonly kind: string }

/** The same string for the same text, so that ten thousand objects of one set share it. */
const shared = new Map<string, string>()
const SHARED_MAX = 10_000

/** Reads an object, whole or as PartialObjectMetadata. Undefined for what has no uid or no version. Pure. */
export function printOf(kind: Kind, object: JsonObject): Print | undefined {
  const { metadata } = object
  if (!isJsonObject(metadata)) return undefined
  const { uid, resourceVersion, labels } = metadata
  const version = Number(resourceVersion)
  const generation = Number.isSafeInteger(metadata.generation) ? Number(metadata.generation) : 0
  if (typeof uid !== 'string' || typeof resourceVersion !== 'string' || !Number.isSafeInteger(version)) return undefined
  const label = isJsonObject(labels) ? labels[LABELS.partOf] : undefined
  const applySet = share(typeof label === 'string' ? label : '')
  const text = glassText(object)
  const glass = text === undefined ? '' : hash('sha1', text, 'base64')
  return { uid, version, applySet, mark: markOf(kind, object), others: othersOf(object, generation), glass, generation }
}

/**
 * Whether the later of two prints of one object can hide no drift. Our entry's time has whole seconds: a late apply of a puller that no
 * longer leads may leave every entry as it is. So what no entry tells of counts as a difference: a generation that went on or, of kinds
 * that count none, any newer version. Pure.
 */
export function isAlike(earlier: Print, later: Print): boolean {
  const { uid, applySet, mark, others, glass, generation, version } = earlier
  if (later.uid !== uid || later.applySet !== applySet || later.mark !== mark || later.glass !== glass) return false
  if (later.others !== others) return true
  return generation === 0 ? later.version === version : later.generation === generation
}

/** The annotation that breaks the glass, as it stands; undefined: there is none. Pure. */
export function glassText({ metadata }: JsonObject): string | undefined {
  const annotations = isJsonObject(metadata) ? metadata.annotations : undefined
  const text = isJsonObject(annotations) ? annotations[BREAK_GLASS] : undefined
  return typeof text === 'string' ? text : undefined
}

function markOf(kind: Kind, object: JsonObject): string {
  const own = managedEntries(object).filter(isOurs)
  const foreign = intruders(kind, object)
  const told = [
    own.map(({ time, fields }) => [time ?? '', fields]),
    foreign.map((e) => [e.manager, e.operation, e.time ?? '', e.fields]),
  ]
  return hash('sha1', JSON.stringify(told), 'base64')
}

function othersOf(object: JsonObject, generation: number): string {
  const told = managedEntries(object)
    .filter((entry) => !isOurs(entry) && (generation === 0 || entry.subresource !== 'status'))
    .map(({ manager, operation, subresource, time, fields }) => [manager, operation, subresource, time ?? '', fields])
  return told.length === 0 ? '' : hash('sha1', JSON.stringify(told), 'base64')
}

function isOurs({ manager, operation, subresource }: ManagedEntry): boolean {
  return manager === FIELD_MANAGER && operation === 'Apply' && subresource === ''
}

/** Where a kind has its pod template, by group/kind. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  'apps/Deployment': ['f:spec', 'f:template'],
  'apps/StatefulSet': ['f:spec', 'f:template'],
  'apps/DaemonSet': ['f:spec', 'f:template'],
  'apps/ReplicaSet': ['f:spec', 'f:template'],
  'batch/Job': ['f:spec', 'f:template'],
  'batch/CronJob': ['f:spec', 'f:jobTemplate', 'f:spec', 'f:template'],
  '/ReplicationController': ['f:spec', 'f:template'],
  '/PodTemplate': ['f:template'],
}

/** Entries of others that hold fields inside the pod template, with those fields alone (from the object's root). Pure. */
export function intruders({ group, kind }: Kind, object: JsonObject): readonly ManagedEntry[] {
  const path = TEMPLATES[`${group}/${kind}`]
  if (path === undefined) return []
  return managedEntries(object).flatMap((entry) => {
    const inside = isOurs(entry) ? undefined : only(entry.fields, path)
    return inside === undefined ? [] : [{ ...entry, fields: inside }]
  })
}

/** The fields below a path, still at that path; undefined where there are none. */
function only(fields: JsonObject, [first, ...rest]: readonly string[]): JsonObject | undefined {
  if (first === undefined) return fields
  const below = fields[first]
  const inside = isJsonObject(below) ? only(below, rest) : undefined
  return inside === undefined ? undefined : { [first]: inside }
}

function share(text: string): string {
  const known = shared.get(text)
  if (known !== undefined) return known
  if (shared.size >= SHARED_MAX) shared.clear()
  shared.set(text, text)
  return text
}
