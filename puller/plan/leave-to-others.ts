import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { canonicalJson, isJsonObject, type Json } from '../../contract/canonical-json.ts'
import { FIELD_MANAGER } from '../kinds.ts'
import type { DesiredObject } from './desired.ts'
import { childOf, type IgnoreRules, ignoredPointers, type Pointer } from './ignore.ts'
import {
  appliedEntry,
  type FieldPath,
  heldPaths,
  listKeys,
  managedEntries,
  pathsTouch,
  type Step,
} from './managed-fields.ts'

/**
 * The object as it is to be applied over a live one under the rules: an ignored field is left out, so that it keeps its value and its
 * manager; where nobody but us holds it, it is applied as it is found, since leaving it out would take it away. A new object, and what is
 * new in one, gets all that was declared. Pure.
 */
export function leaveToOthers(
  rules: IgnoreRules | undefined,
  desired: DesiredObject,
  live: KubeObject | undefined,
): DesiredObject {
  const pointers = live === undefined ? [] : ignoredPointers(rules, desired.id)
  if (live === undefined || pointers.length === 0) return desired
  const around = { keys: listKeys(live), onlyOurs: onlyOurs(live) }
  let { object } = desired
  for (const pointer of pointers.toSorted(lastFirst)) {
    const left = leave({ declared: object, live, rest: pointer, path: [], pattern: '', atomic: false }, around)
    if (isKubeObject(left)) object = left
  }
  return { ...desired, object, declared: desired.object }
}

/** Later items before earlier ones, and what is inside before what it is in, so that no index changes its meaning. */
function lastFirst(a: Pointer, b: Pointer): number {
  const i = a.findIndex((token, at) => token !== b[at])
  const [left, right] = [a[i], b[i]]
  if (left === undefined || right === undefined) return b.length - a.length
  return Number(right) - Number(left) || 0
}

/** Fields that our applies alone hold. */
function onlyOurs(live: KubeObject): readonly FieldPath[] {
  const others = managedEntries(live).filter(
    ({ manager, operation, subresource }) => manager !== FIELD_MANAGER || operation !== 'Apply' || subresource !== '',
  )
  const theirs = others.flatMap(({ fields }) => [...heldPaths(fields).values()])
  const ours = heldPaths(appliedEntry(live, FIELD_MANAGER)?.fields ?? {})
  return [...ours.values()].filter((path) => !theirs.some((other) => pathsTouch(path, other)))
}

type Around = { readonly keys: ReadonlyMap<string, readonly string[]>; readonly onlyOurs: readonly FieldPath[] }

type Place = {
  readonly declared: Json
  readonly live: Json
  /** What of the pointer is still to be followed. */
  readonly rest: Pointer
  readonly path: FieldPath
  /** As `listKeys` writes it. */
  readonly pattern: string
  /** Inside a list that is applied as a whole. */
  readonly atomic: boolean
}

/** What is applied at a place; undefined: nothing. */
function leave(place: Place, around: Around): Json | undefined {
  const { declared, live, rest, path, pattern } = place
  const [token, ...below] = rest
  if (token === undefined) return place.atomic ? live : held(path, live, around)
  const child = childOf(declared, token)
  if (child === undefined) return declared
  const names = Array.isArray(declared) ? around.keys.get(pattern) : undefined
  const step = stepTo(token, child, names)
  const found = 'keys' in step && Array.isArray(live) ? itemOf(live, step.keys) : childOf(live, token)
  // What it is in is new, or so is the field where only a whole list can be applied.
  if (found === undefined && (below.length > 0 || place.atomic)) return declared
  const atomic = place.atomic || (Array.isArray(declared) && names === undefined)
  const next = `${pattern}/${'field' in step ? step.field : '*'}`
  const left =
    found === undefined
      ? undefined
      : leave({ declared: child, live: found, rest: below, path: [...path, step], pattern: next, atomic }, around)
  return replaced(declared, token, left)
}

function stepTo(token: string, child: Json, names: readonly string[] | undefined): Step {
  if (names === undefined || !isJsonObject(child)) return { field: token }
  return { keys: Object.fromEntries(names.flatMap((name) => (child[name] === undefined ? [] : [[name, child[name]]]))) }
}

function itemOf(list: readonly Json[], keys: Readonly<Record<string, Json | undefined>>): Json | undefined {
  return list.find(
    (item) => isJsonObject(item) && Object.entries(keys).every(([key, value]) => isSame(item[key], value)),
  )
}

function replaced(declared: Json, token: string, value: Json | undefined): Json {
  if (Array.isArray(declared))
    return declared.flatMap((item: Json, i) => (i === Number(token) ? (value === undefined ? [] : [value]) : [item]))
  if (!isJsonObject(declared)) return declared
  const { [token]: _, ...others } = declared
  return value === undefined ? others : { ...others, [token]: value }
}

/** What of a live value our applies alone hold. */
function held(path: FieldPath, live: Json, { onlyOurs }: Around): Json | undefined {
  const inside = onlyOurs.filter((one) => one.length >= path.length && path.every((step, i) => leadsTo(step, one[i])))
  return inside.length === 0
    ? undefined
    : pick(
        live,
        inside.map((one) => one.slice(path.length)),
      )
}

/** Keys that were not declared were filled in by the server. */
function leadsTo(step: Step, found: Step | undefined): boolean {
  if (found === undefined) return false
  if ('keys' in step && 'keys' in found)
    return Object.entries(step.keys).every(([key, value]) => isSame(found.keys[key], value))
  return isSame(step, found)
}

/** The parts of a value at these paths, with the keys of the items that they are in. */
function pick(value: Json, paths: readonly FieldPath[]): Json {
  if (paths.some((path) => path.length === 0)) return value
  const groups = new Map<string, { readonly step: Step; readonly below: FieldPath[] }>()
  for (const [step, ...below] of paths) {
    if (step === undefined) continue
    const group = groups.get(canonicalJson(step)) ?? { step, below: [] }
    group.below.push(below)
    groups.set(canonicalJson(step), group)
  }
  const parts = [...groups.values()]
  if (Array.isArray(value))
    return parts.flatMap(({ step, below }): Json[] => {
      if ('item' in step) return value.filter((item) => step.item === `v:${canonicalJson(item)}`)
      const item = 'keys' in step ? itemOf(value, step.keys) : undefined
      if (!('keys' in step) || !isJsonObject(item)) return []
      const picked = pick(item, below)
      return [isJsonObject(picked) ? { ...step.keys, ...picked } : picked]
    })
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    parts.flatMap(({ step, below }) => {
      const found = 'field' in step ? value[step.field] : undefined
      return 'field' in step && found !== undefined ? [[step.field, pick(found, below)]] : []
    }),
  )
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b))
}
