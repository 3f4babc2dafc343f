import { isKubeObject, type KubeObject } from '../../contract/artifact/objects.ts'
import { isJsonObject, type Json, type JsonObject } from '../../contract/canonical-json.ts'
import { ANNOTATION, BREAK_GLASS, LABELS } from '../kinds.ts'
import type { FieldPath, Step } from '../plan/managed-fields.ts'
import { hasKeys, parsePathText } from './path-text.ts'

/** One operation of a JSON patch (RFC 6902). */
export type PatchOperation = {
  readonly op: 'add' | 'replace' | 'remove'
  readonly path: string
  readonly value?: Json
}

/** A declared object as it would have to be declared for its drift to be none. */
export type AdoptedDrift = {
  readonly object: KubeObject
  /** From the declared object to that one. */
  readonly patch: readonly PatchOperation[]
  /** Fields whose path was cut, or does not lead anywhere: to be looked at by a person. */
  readonly unclear: readonly string[]
}

/**
 * Takes the found values of drifted fields, by their paths as drift lists them, over into the declared object; nothing else is looked at.
 * Not for Secrets: what is found is in what comes out. Pure.
 */
export function adoptDrift(declared: KubeObject, live: KubeObject, fields: readonly string[]): AdoptedDrift {
  let object = declared
  const patch: PatchOperation[] = []
  const unclear: string[] = []
  for (const field of fields) {
    const path = parsePathText(field)
    if (path === undefined) unclear.push(field)
    else if (!isMark(path)) {
      const set = setAt(object, valueAt(live, path), path, '')
      if (set === undefined || !isKubeObject(set.value)) unclear.push(field)
      else {
        object = set.value
        if (set.operation !== undefined) patch.push(set.operation)
      }
    }
  }
  return { object, patch, unclear }
}

/** What the puller puts on every object, and what a person says to change one by hand, is in no artifact. */
function isMark(path: FieldPath): boolean {
  const last = path.at(-1)
  const marks: readonly string[] = [LABELS.partOf, ANNOTATION.claim, ANNOTATION.release, BREAK_GLASS]
  return last !== undefined && 'field' in last && marks.includes(last.field)
}

function valueAt(value: Json, path: FieldPath): Json | undefined {
  return path.reduce<Json | undefined>((at, step) => (at === undefined ? undefined : childAt(at, step)), value)
}

function childAt(value: Json, step: Step): Json | undefined {
  if ('field' in step) return isJsonObject(value) ? value[step.field] : undefined
  return 'keys' in step && Array.isArray(value) ? value.find((item: Json) => hasKeys(item, step.keys)) : undefined
}

type Set = { readonly value: Json; readonly operation?: PatchOperation }

/** `value` with `found` at the path, or without anything there; undefined where nothing can stand there. */
function setAt(value: Json, found: Json | undefined, [step, ...rest]: FieldPath, at: string): Set | undefined {
  if (step === undefined) return undefined
  if ('field' in step && isJsonObject(value)) return setField(value, step.field, found, rest, at)
  if ('keys' in step && Array.isArray(value)) return setItem(value, step.keys, found, rest, at)
  return undefined
}

function setField(
  value: JsonObject,
  name: string,
  found: Json | undefined,
  rest: FieldPath,
  at: string,
): Set | undefined {
  const pointer = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const { [name]: before, ...others } = value
  if (rest.length > 0 && (before !== undefined || found === undefined)) {
    const inside = before === undefined ? undefined : setAt(before, found, rest, pointer)
    return inside === undefined ? undefined : { ...inside, value: { ...value, [name]: inside.value } }
  }
  if (found === undefined)
    return before === undefined ? { value } : { value: others, operation: { op: 'remove', path: pointer } }
  const whole = rest.length === 0 ? found : nested(rest, found)
  if (whole === undefined) return undefined
  const op = before === undefined ? 'add' : 'replace'
  return { value: { ...value, [name]: whole }, operation: { op, path: pointer, value: whole } }
}

function setItem(
  list: readonly Json[],
  keys: Readonly<Record<string, Json | undefined>>,
  found: Json | undefined,
  rest: FieldPath,
  at: string,
): Set | undefined {
  const index = list.findIndex((item) => hasKeys(item, keys))
  const before = list[index]
  const pointer = `${at}/${index}`
  if (before !== undefined && rest.length > 0) {
    const inside = setAt(before, found, rest, pointer)
    return inside === undefined ? undefined : { ...inside, value: list.with(index, inside.value) }
  }
  if (found === undefined)
    return before === undefined
      ? { value: list }
      : { value: list.toSpliced(index, 1), operation: { op: 'remove', path: pointer } }
  const inside = rest.length === 0 ? found : nested(rest, found)
  if (inside === undefined) return undefined
  const whole = isJsonObject(inside) ? { ...keys, ...inside } : inside
  if (before !== undefined)
    return { value: list.with(index, whole), operation: { op: 'replace', path: pointer, value: whole } }
  return { value: [...list, whole], operation: { op: 'add', path: `${at}/-`, value: whole } }
}

/** Maps around a value; lists would have to be known to be lists. */
function nested(path: FieldPath, value: Json): Json | undefined {
  const [step, ...rest] = path
  if (step === undefined) return value
  const inside = nested(rest, value)
  return 'field' in step && inside !== undefined ? { [step.field]: inside } : undefined
}
