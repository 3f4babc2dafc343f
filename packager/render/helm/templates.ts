import { type Chart, everyChart } from './chart.ts'

/**
 * Actions of a template, and what in one is text or a comment: `{{ now | date "2006" }}`. What has no end matches to where it could have one,
 * so that nothing is looked through twice, and counts for nothing.
 */
const ACTION = /\{\{[\s\S]*?(?:\}\}|$)/g
const LITERAL = /"(?:[^"\\\n]|\\.)*"?|`[^`]*`?/g
const QUIET = new RegExp(`/\\*[\\s\\S]*?(?:\\*/|$)|${LITERAL.source}`, 'g')
const ENDED = /^(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\*[\s\S]*\*\/)$/

function* actionsIn(text: string): Generator<{ readonly action: string; readonly index: number }> {
  for (const { 0: action, index } of text.matchAll(ACTION)) if (action.endsWith('}}')) yield { action, index }
}

const MENTIONS_MAX = 1000

/** A word of a template's actions, outside comments and texts in quotes, and its line. */
export type Mention = { readonly word: string; readonly line: number }

/** Where a template's actions say one of these words, in order; the first thousand. */
export function mentionsIn(template: Buffer, words: RegExp): readonly Mention[] {
  const text = template.toString('utf8')
  const found: Mention[] = []
  let [line, counted] = [1, 0]
  for (const { action, index } of actionsIn(text)) {
    const quiet = action.replace(QUIET, (part) => (ENDED.test(part) ? part.replace(/[^\n]/g, ' ') : part))
    for (const mention of quiet.matchAll(words)) {
      const at = index + mention.index
      line += text.slice(counted, at).split('\n').length - 1
      counted = at
      found.push({ word: mention[0], line })
      if (found.length === MENTIONS_MAX) return found
    }
  }
  return found
}

/** The text of every template of a chart and of those in it. */
export function textsOf(chart: Chart): readonly string[] {
  return everyChart(chart).flatMap(({ files }) =>
    [...files].filter(([name]) => name.startsWith('templates/')).map(([, bytes]) => bytes.toString('utf8')),
  )
}

/** Every text in quotes in a chart's templates: what a message may repeat, since it came out of no value. */
export function literalsOf(chart: Chart): ReadonlySet<string> {
  const actions = textsOf(chart).flatMap((text) => [...actionsIn(text)])
  const literals = actions.flatMap(({ action }) => action.match(LITERAL) ?? [])
  return new Set(literals.filter((literal) => ENDED.test(literal)).map(unquote))
}

function unquote(literal: string): string {
  return literal.slice(1, -1).replace(literal.startsWith('"') ? /\\(["\\])/g : /$^/g, '$1')
}
