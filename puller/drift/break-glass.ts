import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'
import { BREAK_GLASS, type Change } from '../kinds.ts'
import { boundedMessage } from '../message.ts'
import { differenceOf, FIELDS_LISTED_MAX } from '../plan/diff.ts'
import { type FieldPath, pathText } from '../plan/managed-fields.ts'
import { withoutPaths } from './intrusion.ts'
import { glassText } from './print.ts'

/** What a person put on an object to change it by hand where the guard is installed. Pure. */

const PATH: FieldPath = [{ field: 'metadata' }, { field: 'annotations' }, { field: BREAK_GLASS }]
const FIELD = pathText(PATH)
const REASON_CHARS_MAX = 256

/**
 * Why somebody broke the glass of an object: one line of at most 256 characters. Undefined: nobody did, with a reason that is not blank. A release
 * never does: the plan refuses it.
 */
export function glassReason(live: JsonObject): string | undefined {
  const text = glassText(live) ?? ''
  // As the guard asks it: what JavaScript trims is not what Go does.
  if (/^\p{White_Space}*$/u.test(text)) return undefined
  const line = text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return boundedMessage(line === '' ? 'nothing that can be read' : line, REASON_CHARS_MAX).toWellFormed()
}

/** How an object differs whose glass is broken: the annotation, whoever may look after it otherwise, and what was changed under it. */
export function brokenChange(
  object: string,
  { live, dryRun, reason }: { readonly live: KubeObject; readonly dryRun: KubeObject; readonly reason: string },
  ignored: (path: FieldPath) => boolean,
): Change {
  const { ownersOnly: _, fields, ...difference } = differenceOf(live, withoutPaths(dryRun, [PATH]), ignored)
  const listed = [FIELD, ...fields.filter((field) => field !== FIELD)].slice(0, FIELDS_LISTED_MAX)
  return { action: 'configure', object, fields: listed, ...difference, breakGlass: reason }
}
