import { canonicalJson, isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { type Change, FIELD_MANAGER } from '../kinds.ts'
import { CHANGED_BY } from './ignore.ts'
import {
  appliedEntry,
  type FieldPath,
  heldPaths,
  listKeys,
  managedEntries,
  pathsMissing,
  pathsTouch,
  pathText,
} from './managed-fields.ts'

/** What an apply would change in an object. */
export type Difference = {
  /** Sorted, each once, at most FIELDS_LISTED_MAX. Empty: nothing would change. */
  readonly fields: readonly string[]
  /** Who holds them now, as the live object's managedFields say, how, and since when. */
  readonly manager?: string
  readonly operation?: string
  readonly since?: string
  /** Whom the attribution policy saw change the object last. */
  readonly user?: string
  /** Every field has the value that was declared: only who holds it has changed. */
  readonly ownersOnly?: true
  /** Of the first fields, bounded; for records of drift only. None of a Secret. */
  readonly values?: Change['values']
}

export const FIELDS_LISTED_MAX = 50
const VALUES_LISTED_MAX = 20
const VALUE_CHARS_MAX = 256
/** What the server keeps for itself, and what changes with every write. */
const BOOKKEEPING = ['resourceVersion', 'generation', 'managedFields', 'creationTimestamp', 'uid', 'selfLink']

/**
 * Compares an object as it is with what a dry run of our apply answered. Equal means: the same fields with the same values outside
 * status, bookkeeping and what is `ignored`, and our own entry in managedFields holds the same fields. Pure.
 */
export function differenceOf(
  live: JsonObject,
  dryRun: JsonObject,
  ignored: (path: FieldPath) => boolean = () => false,
): Difference {
  const values = changedValues(live, dryRun, ignored)
  const changed = [...values, ...ownershipChanges(live, dryRun).filter((path) => !ignored(path))]
  if (changed.length === 0) return { fields: [] }
  const byText = new Map(changed.map((path) => [pathText(path), path]))
  const fields = [...byText.keys()].sort().slice(0, FIELDS_LISTED_MAX)
  const holder = holderOf(live, changed)
  // A subresource passes the policy by: what it says is of an earlier change.
  const user = holder === undefined || holder.subresource === '' ? changedBy(live) : undefined
  return {
    fields,
    ...(holder !== undefined && { manager: holder.manager.slice(0, 256), operation: holder.operation.slice(0, 16) }),
    ...(holder?.time !== undefined && { since: holder.time.slice(0, 64) }),
    ...(user !== undefined && { user: user.slice(0, 256) }),
    ...(values.length === 0 && { ownersOnly: true }),
    ...(live.kind !== 'Secret' && { values: fields.slice(0, VALUES_LISTED_MAX).map((field) => valuesOf(field)) }),
  }
  function valuesOf(field: string) {
    const path = byText.get(field) ?? []
    if (isVariable(path)) return { field }
    const [declared, found] = [dryRun, live].map((object) => valueText(valueAt(object, path)))
    return { field, ...(declared !== undefined && { declared }), ...(found !== undefined && { found }) }
  }
}

/** The fields whose values differ, whoever holds them; of the same that `differenceOf` compares. Pure. */
export function changedValues(
  live: JsonObject,
  dryRun: JsonObject,
  ignored: (path: FieldPath) => boolean,
): readonly FieldPath[] {
  const changed = changedPaths(comparable(live), comparable(dryRun), [], '', listKeys(live, dryRun))
  return changed.filter((path) => !ignored(path))
}

/** Items of sets are shown with their list. */
function valueAt(object: Json, path: FieldPath): Json | undefined {
  let at: Json | undefined = object
  for (const step of path) {
    if ('item' in step) return at
    if ('field' in step) at = isJsonObject(at) ? at[step.field] : undefined
    else {
      const wanted = Object.entries(step.keys)
      at = Array.isArray(at)
        ? at.find((item: Json) => isJsonObject(item) && wanted.every(([key, value]) => isEqual(item[key], value)))
        : undefined
    }
  }
  return at
}

/** Inside an environment variable: what people set by hand there is often a password, and a record stays. */
function isVariable(path: FieldPath): boolean {
  return path.some((step) => 'field' in step && step.field === 'env')
}

/** Without what is in environment variables. */
function withoutVariables(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutVariables)
  if (!isJsonObject(value)) return value
  const shown = Object.entries(value).filter(([name]) => name !== 'env')
  return Object.fromEntries(shown.map(([name, inside]) => [name, withoutVariables(inside ?? null)]))
}

function valueText(value: Json | undefined): string | undefined {
  if (value === undefined) return undefined
  const text = canonicalJson(withoutVariables(value))
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX - 1)}…`
}

/** `<user name> <version>`, as the policy writes it. */
function changedBy({ metadata }: JsonObject): string | undefined {
  const annotations = isJsonObject(metadata) ? metadata.annotations : undefined
  const said = isJsonObject(annotations) ? annotations[CHANGED_BY] : undefined
  return typeof said === 'string' ? said.replace(/ [^ ]*$/, '') || undefined : undefined
}

function comparable({ status: _, metadata, ...rest }: JsonObject): JsonObject {
  const kept = Object.entries(isJsonObject(metadata) ? metadata : {}).filter(([name]) => !BOOKKEEPING.includes(name))
  return { ...rest, metadata: Object.fromEntries(kept) }
}

/** Fields that our own entry lost, or would no longer hold. */
function ownershipChanges(live: JsonObject, dryRun: JsonObject): readonly FieldPath[] {
  const [was, will] = [
    appliedEntry(live, FIELD_MANAGER)?.fields ?? {},
    appliedEntry(dryRun, FIELD_MANAGER)?.fields ?? {},
  ]
  return [...pathsMissing(will, was), ...pathsMissing(was, will)]
}

/** The other hand's entry that holds one of the fields; of several the newest. Ours only where it alone does. */
function holderOf(live: JsonObject, changed: readonly FieldPath[]) {
  const holders = managedEntries(live)
    .filter(({ fields }) => {
      const held = [...heldPaths(fields).values()]
      return changed.some((path) => held.some((other) => pathsTouch(path, other)))
    })
    .sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? 1 : -1))
  return holders.find(({ manager }) => manager !== FIELD_MANAGER) ?? holders[0]
}

function changedPaths(
  a: Json | undefined,
  b: Json | undefined,
  at: FieldPath,
  pattern: string,
  keys: ReadonlyMap<string, readonly string[]>,
): FieldPath[] {
  if (isJsonObject(a) && isJsonObject(b)) {
    const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
    return names.flatMap((name) => changedPaths(a[name], b[name], [...at, { field: name }], `${pattern}/${name}`, keys))
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    const keyed = keys.get(pattern)
    const [left, right] = [itemsByKey(a, keyed), itemsByKey(b, keyed)]
    if (left !== undefined && right !== undefined) return changedItems(left, right, at, pattern, keys)
  }
  return isEqual(a, b) ? [] : [at]
}

type Items = ReadonlyMap<string, { readonly keys: JsonObject; readonly item: Json }>

function changedItems(
  a: Items,
  b: Items,
  at: FieldPath,
  pattern: string,
  keys: ReadonlyMap<string, readonly string[]>,
) {
  const changed: FieldPath[] = []
  for (const id of new Set([...a.keys(), ...b.keys()])) {
    const [left, right] = [a.get(id), b.get(id)]
    const step = { keys: left?.keys ?? right?.keys ?? {} }
    changed.push(...changedPaths(left?.item, right?.item, [...at, step], `${pattern}/*`, keys))
  }
  // The same items in another order is a change of the list.
  const sameOrder = changed.length > 0 || isEqual([...a.keys()], [...b.keys()])
  return sameOrder ? changed : [at]
}

/** Items by their keys; undefined where the list is not one of that kind. */
function itemsByKey(list: readonly Json[], names: readonly string[] | undefined): Items | undefined {
  if (names === undefined) return undefined
  const items = new Map<string, { keys: JsonObject; item: Json }>()
  for (const item of list) {
    if (!isJsonObject(item)) return undefined
    const keys = Object.fromEntries(names.flatMap((name) => (item[name] === undefined ? [] : [[name, item[name]]])))
    items.set(canonicalJson(keys), { keys, item })
  }
  return items.size === list.length ? items : undefined
}

function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a === b || canonicalJson(a) === canonicalJson(b)
}
