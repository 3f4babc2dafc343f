import { definitionLines, fieldLines, imageLines, objectLine } from './change-lines.ts'
import type { EnvironmentDiff } from './compare.ts'
import type { DiffReport } from './report.ts'
import { aboutSides, countsText, describeCounts, describeSide } from './text.ts'
import { safeLines, visible } from './visible.ts'

/** A comment on GitHub holds as many characters; in bytes, so that it also fits into one variable of a job (128 KiB on Linux). */
export const MARKDOWN_BYTES_MAX = 65_536
/** By which a pipeline finds the comment that it wrote before. */
const MARKER = '<!-- waybill diff -->'
/** Kept back for what closes an environment and says what was left out. */
const CLOSING_CHARS = 400
const BLOCK_CHARS_MAX = 8_000
const LINE_CHARS_MAX = 500

/**
 * The report as a comment on a pull request: a folded section for each environment that changes, at most `bytesMax` bytes of UTF-8 in all, with
 * a line that says how much was left out. All that comes from commits and releases stands in code, so that none of it is markup.
 */
export function diffMarkdown(report: DiffReport, bytesMax = MARKDOWN_BYTES_MAX): string {
  const { before, after, counts, environments } = report
  const all = Object.entries(environments)
  const same = all.filter(([, { status }]) => status === 'same').map(([name]) => name)
  const head = [
    MARKER,
    `### Waybill: ${report.differ ? countsText(counts) : 'nothing changes'}`,
    '',
    `- Before: ${code(describeSide(before))}`,
    `- After: ${code(describeSide(after))}`,
    ...aboutSides(before, after).map((line) => `- ${code(line)}`),
    ...(same.length === 0 ? [] : [`- Nothing changes in ${same.map(code).join(', ')}`]),
  ]
  const page = pageOf(bytesMax - (all.length - same.length) * CLOSING_CHARS)
  page.add(head)
  for (const [name, environment] of all) if (environment.status !== 'same') addEnvironment(page, name, environment)
  return `${page.lines.join('\n')}\n`
}

/** Lines, as many as there is room for. */
type Page = {
  readonly lines: readonly string[]
  /** False, and nothing is added, where it does not fit. */
  readonly add: (block: readonly string[]) => boolean
  /** For what room was kept for. */
  readonly close: (block: readonly string[]) => void
}

function pageOf(bytesMax: number): Page {
  const lines: string[] = []
  let bytes = 1
  return {
    lines,
    add: (block) => {
      const text = safeLines(block)
      const size = Buffer.byteLength(text) + 1
      if (bytes + size > bytesMax) return false
      bytes += size
      lines.push(text)
      return true
    },
    close: (block) => {
      lines.push(safeLines(block))
    },
  }
}

function addEnvironment(page: Page, name: string, environment: EnvironmentDiff): void {
  const title = `<b>${html(name)}</b>: ${html(describeCounts(environment))}`
  // Every environment is at least named, in the room that is kept for it.
  page.close(['', '<details>', `<summary>${title}</summary>`, ''])
  const images = environment.images.map(imageLines)
  const sections = [
    ...(images.length === 0 ? [] : [['**Images**', '', ...fence(images.flat()), '']]),
    ...definitionBlock(environment),
  ]
  let leftOut = sections.filter((block) => !page.add(block)).length
  const objects = environment.objects.map((object) => {
    const lines = fieldLines(object)
    return lines.length === 0
      ? [`- ${code(objectLine(object))}`]
      : [`- ${code(objectLine(object))}`, '', ...fence(lines), '']
  })
  let shown = 0
  while (shown < objects.length && page.add(objects[shown] ?? [])) shown++
  leftOut += objects.length - shown
  page.close([
    ...(leftOut === 0
      ? []
      : ['', `**${leftOut} more**, for which there is no room here: run ${code('waybill diff')}.`]),
    '',
    '</details>',
  ])
}

function definitionBlock(environment: EnvironmentDiff): readonly (readonly string[])[] {
  const lines = definitionLines(environment)
  return lines.length === 0 ? [] : [['**Custom kinds**', '', ...fence(lines), '']]
}

/** A block of code, fenced by more backticks than stand anywhere in it, and of at most 8,000 characters. */
function fence(lines: readonly string[]): readonly string[] {
  const kept: string[] = []
  let chars = 0
  for (const line of lines) {
    const cut = line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line
    chars += cut.length + 1
    if (chars > BLOCK_CHARS_MAX) break
    kept.push(cut)
  }
  const more = kept.length < lines.length ? [`! ${lines.length - kept.length} more lines`] : []
  const ticks = '`'.repeat(Math.max(3, longestRun(kept.join('\n')) + 1))
  return [`${ticks}diff`, ...kept, ...more, ticks]
}

/** CommonMark 0.31, code spans: the backticks around it are no run inside it. */
function code(text: string): string {
  const shown = visible(text).slice(0, LINE_CHARS_MAX)
  const ticks = '`'.repeat(longestRun(shown) + 1)
  const pad = /^`|`$|^ .* $/.test(shown) ? ' ' : ''
  return `${ticks}${pad}${shown}${pad}${ticks}`
}

function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
}

function html(text: string): string {
  return visible(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
