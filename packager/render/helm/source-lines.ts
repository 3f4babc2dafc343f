import { diffArrays } from 'diff'
import type { YamlDocument } from '../../yaml/yaml.ts'

/** Beyond this many changes a comparison says nothing about where a line came from. */
const EDITS_MAX = 2000

/**
 * A document with the lines of the template that made it instead of those of what it rendered to: of a line that the template has as
 * it is, or with the same key; of what a value, a loop or an include brought, the line before it that the template has.
 */
export function withSourceLines(document: YamlDocument, rendered: string, template: string): YamlDocument {
  const parts = documentsIn(template)
  const heads = rendered.split('\n').map(headOf)
  const best = parts
    .map(({ heads: source, first }) => align(heads, source, first))
    .reduce((one, other) => (other.common > one.common ? other : one))
  return { value: document.value, lines: document.lines.map((line) => best.lines[line - 1] ?? 1) }
}

type Part = { readonly heads: readonly string[]; readonly first: number }

/** The documents that a template holds as it stands, with the line that each begins at. */
function documentsIn(template: string): readonly Part[] {
  const parts: { heads: string[]; first: number }[] = [{ heads: [], first: 1 }]
  template.split('\n').forEach((text, i) => {
    if (/^---(?:\s|$)/.test(text)) parts.push({ heads: [], first: i + 2 })
    else parts.at(-1)?.heads.push(headOf(text))
  })
  return parts
}

/** What a line is known by: its key, or else all of it. */
function headOf(line: string): string {
  const text = line.trim()
  return /^(?:- )?[\w./"'-]+:(?=\s|$)/.exec(text)?.[0].replaceAll(/["']/g, '') ?? text
}

function align(
  rendered: readonly string[],
  source: readonly string[],
  first: number,
): { lines: number[]; common: number } {
  const changes = diffArrays([...source], [...rendered], { maxEditLength: EDITS_MAX }) ?? []
  const lines: number[] = []
  let at = first
  let common = 0
  for (const { added, removed, value } of changes) {
    if (removed) at += value.length
    else if (added) for (const _ of value) lines.push(Math.max(first, at - 1))
    else {
      for (const _ of value) lines.push(at++)
      common += value.filter((text) => text !== '').length
    }
  }
  return { lines, common }
}
