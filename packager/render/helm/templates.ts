import { type Chart, everyChart } from './chart.ts'

/** Actions of a template, and what in one is text or a comment: `{{ now | date "2006" }}`. */
const ACTION = /\{\{[\s\S]*?\}\}/g
const LITERAL = /"(?:[^"\\\n]|\\.)*"|`[^`]*`/g
const QUIET = new RegExp(`/\\*[\\s\\S]*?\\*/|${LITERAL.source}`, 'g')

/** A word of a template's actions, outside comments and texts in quotes, and its line. */
export type Mention = { readonly word: string; readonly line: number }

/** Where a template's actions say one of these words, in order. */
export function mentionsIn(template: Buffer, words: RegExp): readonly Mention[] {
  const text = template.toString('utf8')
  return [...text.matchAll(ACTION)].flatMap((action) => {
    const quiet = action[0].replace(QUIET, (found) => found.replace(/[^\n]/g, ' '))
    return [...quiet.matchAll(words)].map(({ 0: word, index }) => {
      return { word, line: text.slice(0, action.index + index).split('\n').length }
    })
  })
}

/** The text of every template of a chart and of those in it. */
export function textsOf(chart: Chart): readonly string[] {
  return everyChart(chart).flatMap(({ files }) =>
    [...files].filter(([name]) => name.startsWith('templates/')).map(([, bytes]) => bytes.toString('utf8')),
  )
}

/** Every text in quotes in a chart's templates: what a message may repeat, since it came out of no value. */
export function literalsOf(chart: Chart): ReadonlySet<string> {
  const actions = textsOf(chart).flatMap((text) => text.match(ACTION) ?? [])
  return new Set(actions.flatMap((action) => (action.match(LITERAL) ?? []).map(unquote)))
}

function unquote(literal: string): string {
  return literal.slice(1, -1).replace(literal.startsWith('"') ? /\\(["\\])/g : /$^/g, '$1')
}
