import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { type Path, pathText, type Step } from './field-path.ts'
import { diffLines } from './line-diff.ts'
import { keyedItems } from './merge-keys.ts'

/** One field that is not the same. */
export type FieldChange = {
  /** As `pathText` writes it. */
  readonly path: string
  /** `reordered`: the same items of a list in another order. */
  readonly change: 'added' | 'removed' | 'changed' | 'reordered'
  /** Left out where it is long, and where `lines` or `hidden` stands for it. */
  readonly before?: Json
  readonly after?: Json
  /** Of a text of many lines: what changed, as `diff -u` writes it. */
  readonly lines?: readonly string[]
  /** A value of a Secret: that it changed is all there is to know. */
  readonly hidden?: true
  /** Values or lines were left out because they are long. */
  readonly truncated?: true
}

const VALUE_CHARS_MAX = 2000

/**
 * Every field in which two values differ, in the order of the first and then the second. What is added or removed is told leaf by
 * leaf. Items of lists are matched by their merge keys where they are known, else by index, what is the same at the end set aside.
 */
export function compareFields(before: Json | undefined, after: Json | undefined, path: Path = []): FieldChange[] {
  if (isEqual(before, after)) return []
  const maps = [before, after].filter((value) => isJsonObject(value))
  if (maps.length === 2 || (maps.length === 1 && hasOne(before, after) && Object.keys(maps[0] ?? {}).length > 0))
    return compareMaps(asMap(before), asMap(after), path)
  const lists = [before, after].filter((value) => Array.isArray(value))
  if (lists.length === 2 || (lists.length === 1 && hasOne(before, after) && lists.flat().some(isBranch)))
    return compareLists(asList(before), asList(after), path)
  return [leaf(before, after, path)]
}

function compareMaps(before: JsonObject, after: JsonObject, path: Path): FieldChange[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].flatMap((name) => compareFields(own(before, name), own(after, name), [...path, name]))
}

function compareLists(before: readonly Json[], after: readonly Json[], path: Path): FieldChange[] {
  const name = path.at(-1)
  const keyed = keyedItems(typeof name === 'string' ? name : undefined, before, after)
  if (keyed === undefined) return compareByIndex(before, after, path)
  const [left, right] = keyed
  const changes = [...new Set([...left.keys(), ...right.keys()])].flatMap((id) => {
    const step: Step = left.get(id)?.keys ?? right.get(id)?.keys ?? {}
    return compareFields(left.get(id)?.item, right.get(id)?.item, [...path, step])
  })
  const order = (ids: Iterable<string>, others: ReadonlyMap<string, unknown>) => [...ids].filter((id) => others.has(id))
  const sameOrder = isEqual(order(left.keys(), right), order(right.keys(), left))
  return sameOrder ? changes : [{ path: pathText(path), change: 'reordered' }, ...changes]
}

function compareByIndex(before: readonly Json[], after: readonly Json[], path: Path): FieldChange[] {
  const shorter = Math.min(before.length, after.length)
  let tail = 0
  while (tail < shorter && isEqual(before.at(-1 - tail), after.at(-1 - tail))) tail++
  const [left, right] = [before.slice(0, before.length - tail), after.slice(0, after.length - tail)]
  return Array.from({ length: Math.max(left.length, right.length) }).flatMap((_, i) =>
    compareFields(left[i], right[i], [...path, i]),
  )
}

function leaf(before: Json | undefined, after: Json | undefined, path: Path): FieldChange {
  const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
  const head = { path: pathText(path), change } as const
  if (isText(before) && isText(after) && [before, after].some((text) => isLong(text) || text?.includes('\n'))) {
    const found = diffLines(before ?? '', after ?? '')
    if (found === undefined) return { ...head, truncated: true }
    return { ...head, lines: found.lines, ...(found.truncated && { truncated: true }) }
  }
  const truncated = isLong(before) || isLong(after)
  return {
    ...head,
    ...(before !== undefined && !isLong(before) && { before }),
    ...(after !== undefined && !isLong(after) && { after }),
    ...(truncated && { truncated }),
  }
}

const isText = (value: Json | undefined): value is string | undefined =>
  value === undefined || typeof value === 'string'
const isLong = (value: Json | undefined) => value !== undefined && JSON.stringify(value).length > VALUE_CHARS_MAX
const isBranch = (value: unknown) => typeof value === 'object' && value !== null
const hasOne = (before: Json | undefined, after: Json | undefined) => before === undefined || after === undefined
const asList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])
const asMap = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {})
/** A key such as `constructor` is a key like any other. */
const own = (map: JsonObject, name: string) => (Object.hasOwn(map, name) ? map[name] : undefined)

/** Equal as JSON: in whatever order keys stand, and a key without a value is no key. */
export function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => isEqual(item, b[i]))
  if (!isJsonObject(a) || !isJsonObject(b)) return false
  const names = (map: JsonObject) => Object.keys(map).filter((name) => map[name] !== undefined)
  const left = names(a)
  return left.length === names(b).length && left.every((name) => Object.hasOwn(b, name) && isEqual(a[name], b[name]))
}
