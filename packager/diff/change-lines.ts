import type { Json } from '../../contract/canonical-json.ts'
import type { EnvironmentDiff, ObjectDiff } from './compare.ts'
import type { FieldChange } from './compare-fields.ts'
import { type ImageChange, shortImage } from './image-changes.ts'
import type { SchemaChange, SchemaChangeKind } from './schema-changes.ts'
import { visible } from './visible.ts'

/**
 * What differs as lines that begin with `+`, `-`, `!` (look at it), `~`, `@` or a blank, as a diff does: the same for a terminal and for
 * Markdown. No line holds what is not seen, nor a line break.
 */

/** An image's lines, and how many objects use it, or which. */
export function imageLines({ before, after, uses }: ImageChange): readonly string[] {
  const named = uses.slice(0, USES_SHOWN_MAX).map(({ object, path }) => `${object} ${containerOf(path)}`)
  const more = uses.length > named.length ? [`and ${uses.length - named.length} more`] : []
  return [
    ...(before === undefined ? [] : [`- ${shortImage(before)}`]),
    ...(after === undefined ? [] : [`+ ${shortImage(after)}`]),
    ...[...named, ...more].map((use) => `    ${use}`),
  ].map(visible)
}

const USES_SHOWN_MAX = 5

/** `spec.template.spec.containers[name=api].image` → `(api)`. */
function containerOf(path: string): string {
  const name = /\[name=("?)([^\]]*?)\1\]\.(?:image|image\.reference)$/.exec(path)?.[2]
  return `(${name ?? path})`
}

/** The definitions of custom kinds that changed, with their versions and schemas; none where there are none. */
export function definitionLines({ objects }: EnvironmentDiff): readonly string[] {
  return objects.flatMap(({ object, schema = [], schemaLeftOut = 0 }) => {
    if (schema.length === 0) return []
    const lines = schema.filter(({ change }) => change !== 'documentation').map(schemaLine)
    const words = schema.length - lines.length
    return [
      `~ ${object}`,
      ...lines,
      ...(words === 0 ? [] : [`~   ${words} ${words === 1 ? 'description' : 'descriptions'}`]),
      ...(schemaLeftOut === 0 ? [] : [`!   ${schemaLeftOut} more`]),
    ].map(visible)
  })
}

const WORDS: Readonly<Record<SchemaChangeKind, string>> = {
  'definition-removed': 'the definition is removed',
  'scope-changed': 'scope',
  'version-added': 'new version',
  'version-removed': 'version removed',
  'version-served': 'now served',
  'version-not-served': 'no longer served',
  'storage-moved': 'now the version that is stored',
  'field-added': 'new field',
  'field-removed': 'field removed',
  'type-changed': 'type',
  'newly-required': 'newly required',
  'no-longer-required': 'no longer required',
  'values-taken': 'no longer allowed',
  'values-added': 'now allowed',
  'bound-tightened': 'tighter',
  'bound-loosened': 'looser',
  'rule-added': 'new rule',
  'rule-changed': 'rule changed',
  'rule-removed': 'rule removed',
  'default-changed': 'default',
  documentation: 'description',
}

function schemaLine({ version, path, change, breaking, detail }: SchemaChange): string {
  const where = [version, path].filter((part) => part !== '').join(' ')
  const what = `${WORDS[change]}${detail === undefined ? '' : ` (${detail})`}`
  return `${breaking ? '!' : '~'}   ${where === '' ? '' : `${where}: `}${what}${breaking ? ': can break objects that exist' : ''}`
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

/** The object with its sign. */
export function objectLine({ object, change, renamedFrom }: ObjectDiff): string {
  const renamed = renamedFrom === undefined ? '' : ` (was ${renamedFrom})`
  return visible(`${SIGNS[change]} ${object}${renamed}`)
}

/** Every field of an object that changed. */
export function fieldLines({ fields, fieldsLeftOut = 0 }: ObjectDiff): readonly string[] {
  const more = fieldsLeftOut === 0 ? [] : [`! ${fieldsLeftOut} more fields`]
  return [...fields.flatMap(linesOf), ...more].map(visible)
}

function linesOf({ path, change, before, after, lines, hidden, truncated }: FieldChange): readonly string[] {
  if (hidden)
    return [`${change === 'changed' ? '!' : SIGNS[change === 'reordered' ? 'changed' : change]} ${path}: (hidden)`]
  if (change === 'reordered') return [`! ${path}: the same items in another order`]
  if (lines !== undefined)
    return [`! ${path}:`, ...lines, ...(truncated ? ['! more lines, or longer ones, were left out'] : [])]
  return [
    ...(change === 'added' ? [] : [`- ${path}: ${valueText(before)}`]),
    ...(change === 'removed' ? [] : [`+ ${path}: ${valueText(after)}`]),
  ]
}

function valueText(value: Json | undefined): string {
  if (value === undefined) return '(too long to show)'
  return JSON.stringify(typeof value === 'string' ? shortImage(value) : value)
}
