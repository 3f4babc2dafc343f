import { diffArrays } from 'diff'
import type { YamlDocument } from '../../yaml/yaml.ts'

/** Beyond this many changes a comparison says nothing about where a line came from. */
const EDITS_MAX = 2000

/**
 * A document with the lines of the template that made it instead of those of what it rendered to: of a line that the template has as
 * it is, or with the same key; of what a value, a loop or an include brought, the line before it that the template has. They are
 * worked out when somebody asks.
 */
export function withSourceLines(document: YamlDocument, rendered: string, template: string): YamlDocument {
  let lines: readonly number[] | undefined
  return {
    value: document.value,
    get lines() {
      lines ??= sourceLines(document.lines, rendered.split('\n'), template.split('\n'))
      return lines
    },
  }
}

function sourceLines(lines: readonly number[], rendered: readonly string[], template: readonly string[]): number[] {
  const parts = documentsIn(template)
  const scores = parts.map((part) => likeness(part.lines, rendered))
  const { lines: source, first } = parts[scores.indexOf(Math.max(...scores))] ?? { lines: template, first: 1 }
  const aligned = align(rendered.map(headOf), source.map(headOf), first)
  return lines.map((line) => aligned[line - 1] ?? first)
}

type Part = { readonly lines: readonly string[]; readonly first: number }

/** The documents that a template holds as it stands, with the line that each begins at. */
function documentsIn(template: readonly string[]): readonly Part[] {
  const ends = [-1, ...template.flatMap((line, i) => (/^---(?:\s|$)/.test(line) ? [i] : []))]
  return ends.map((end, i) => ({ lines: template.slice(end + 1, ends[i + 1]), first: end + 2 }))
}

/** How many lines, and keys, of a document a part of the template has as they are. */
function likeness(source: readonly string[], rendered: readonly string[]): number {
  const known = new Set(source.flatMap((line) => [line.trim(), headOf(line)]))
  const count = (text: string) => (known.has(text) ? 1 : 0)
  return rendered.reduce((sum, line) => sum + count(line.trim()) + count(headOf(line)), 0)
}

/** What a line is known by: its key, or else all of it. */
function headOf(line: string): string {
  const text = line.trim()
  return /^(?:- )?[\w./"'-]+:(?=\s|$)/.exec(text)?.[0].replaceAll(/["']/g, '') ?? text
}

/** For each line that was rendered, the line of the source. */
function align(rendered: readonly string[], source: readonly string[], first: number): readonly number[] {
  const lines: number[] = []
  let at = first
  for (const { added, removed, value } of diffArrays([...source], [...rendered], { maxEditLength: EDITS_MAX }) ?? []) {
    if (removed) at += value.length
    else for (const _ of value) lines.push(added ? Math.max(first, at - 1) : at++)
  }
  return lines
}
