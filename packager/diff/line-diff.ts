import { structuredPatch } from 'diff'

/** Lines with their sign, `+`, `-` or a blank, and `@@ -1,3 +1,4 @@` before each hunk. */
export type LineDiff = { readonly lines: readonly string[]; readonly truncated: boolean }

const LINES_MAX = 400
const EDITS_MAX = 2000
const LINE_CHARS_MAX = 1000

/**
 * What changed between two texts, line by line, with two lines around it. At most 400 lines of at most 1,000 characters are given;
 * `truncated` says that there are more. Undefined where the two are so different that a comparison says nothing.
 */
export function diffLines(before: string, after: string): LineDiff | undefined {
  const patch = structuredPatch('', '', before, after, '', '', { context: 2, maxEditLength: EDITS_MAX })
  if (patch === undefined) return undefined
  const lines = patch.hunks.flatMap(({ oldStart, oldLines, newStart, newLines, lines }) => [
    `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`,
    ...lines,
  ])
  const kept = lines.slice(0, LINES_MAX)
  const long = kept.some((line) => line.length > LINE_CHARS_MAX)
  return {
    lines: kept.map((line) => (line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line)),
    truncated: long || lines.length > LINES_MAX,
  }
}
