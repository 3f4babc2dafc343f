import type { ObjectId } from '../../contract/artifact/objects.ts'
import { canonicalJson, isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { DeliverySpec } from '../kinds.ts'
import type { FieldPath, Step } from './managed-fields.ts'
import { matchesObject } from './object-pattern.ts'

/** Which fields are left to others: `spec.ignore` of the Delivery. */
export type IgnoreRules = NonNullable<DeliverySpec['ignore']>

/** Whose fields are asked about; `declared`, the object as the artifact has it, tells which item an index of a pointer means. */
export type IgnoreSubject = { readonly id: ObjectId; readonly declared?: Json | undefined }

/** A JSON pointer (RFC 6901), unescaped. */
export type Pointer = readonly string[]

/** Put on objects by the attribution policy: who changed it last. Never ours, and never drift. */
export const CHANGED_BY = 'waybill.dev/changed-by'
const CHANGED_BY_POINTER: Pointer = ['metadata', 'annotations', CHANGED_BY]

/** The pointers that the rules have for an object. Pure. */
export function ignoredPointers(rules: IgnoreRules | undefined, id: ObjectId): readonly Pointer[] {
  return (rules ?? []).filter((rule) => matchesObject(rule, id)).flatMap(({ fields }) => fields.map(parsePointer))
}

/**
 * True where a field is at, or inside, what a rule names, and for the annotation of the attribution policy. Where `declared` is not
 * given, an index of a pointer stands for any item. Pure.
 */
export function isIgnored(rules: IgnoreRules | undefined, subject: IgnoreSubject, path: FieldPath): boolean {
  return ignoreTest(rules, subject)(path)
}

/** `isIgnored` for many fields of one object. */
export function ignoreTest(
  rules: IgnoreRules | undefined,
  { id, declared }: IgnoreSubject,
): (path: FieldPath) => boolean {
  const pointers = [CHANGED_BY_POINTER, ...ignoredPointers(rules, id)]
  return (path) => pointers.some((pointer) => covers(pointer, path, declared))
}

function parsePointer(text: string): Pointer {
  return text
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function covers(pointer: Pointer, path: FieldPath, declared: Json | undefined): boolean {
  let at = declared
  return (
    path.length >= pointer.length &&
    pointer.every((token, i) => {
      const step = path[i]
      const fits = step !== undefined && isStep(token, step, at)
      at = childOf(at, token)
      return fits
    })
  )
}

function isStep(token: string, step: Step, list: Json | undefined): boolean {
  if ('field' in step) return step.field === token
  if (!/^(?:0|[1-9][0-9]*)$/.test(token)) return false
  if (!Array.isArray(list)) return list === undefined
  const item: Json | undefined = list[Number(token)]
  if ('item' in step) return step.item === `i:${token}` || step.item === `v:${canonicalJson(item ?? null)}`
  // Keys that the server filled in (a port's protocol) are not in what was declared.
  return isJsonObject(item) && Object.entries(step.keys).every(([key, value]) => (item[key] ?? value) === value)
}

/** What is at a token of a pointer; an index counts items of a list. */
export function childOf(value: Json | undefined, token: string): Json | undefined {
  if (Array.isArray(value)) return value[Number(token)]
  return isJsonObject(value) ? value[token] : undefined
}
