import { isJsonObject, type Json } from '../../../contract/canonical-json.ts'
import type { Fault } from '../../../contract/errors.ts'
import { type Chart, everyChart, fileOf } from './chart.ts'

/** What a template can ask for that depends on when, or by which build of helm, it is rendered. Twice in a row may look the same. */
const UNSTEADY =
  /(?<![\w.$-])(?:now|ago)(?![\w-])|\.HelmVersion\.(?:GoVersion|GitCommit|GitTreeState|KubeClientVersion)\b/g

/** Actions of a template, with comments and texts in quotes blanked out: `{{ now | date "2006" }}`. */
const ACTION = /\{\{[\s\S]*?\}\}/g
const LITERAL = /"(?:[^"\\\n]|\\.)*"|`[^`]*`/g
const QUIET = new RegExp(`/\\*[\\s\\S]*?\\*/|${LITERAL.source}`, 'g')

/** Where a chart's templates and values, or values of the package, ask for the time or for what the build of helm is. */
export function findUnsteady(chart: Chart, values: ReadonlyMap<string, Buffer>): readonly Fault[] {
  const inCharts = everyChart(chart).flatMap((each) =>
    [...each.files]
      .filter(([name]) => name === 'values.yaml' || (name.startsWith('templates/') && !name.endsWith('NOTES.txt')))
      .flatMap(([name, bytes]) =>
        unsteadyIn(fileOf(each, name), bytes, each.packed ? `${each.name}/${name}` : undefined),
      ),
  )
  return [...inCharts, ...[...values].flatMap(([file, bytes]) => unsteadyIn(file, bytes))]
}

function unsteadyIn(file: string, bytes: Buffer, inside?: string): readonly Fault[] {
  const text = bytes.toString('utf8')
  return [...text.matchAll(ACTION)].flatMap((action) => {
    const quiet = action[0].replace(QUIET, (found) => found.replace(/[^\n]/g, ' '))
    return [...quiet.matchAll(UNSTEADY)].map(({ 0: word, index }): Fault => {
      const line = text.slice(0, action.index + index).split('\n').length
      const where = inside === undefined ? '' : `${inside}:${line}: `
      const message = `${where}${word} gives something else another day, or with another build of helm`
      return { code: 'RENDER_UNSTABLE', message, file, ...(inside === undefined ? { line } : {}) }
    })
  })
}

/** Schemas of values that lead out of the commit: helm would fetch addresses, and read any file of the machine. */
export function findRemoteSchemas(chart: Chart): readonly Fault[] {
  return everyChart(chart).flatMap((each) => {
    const bytes = each.files.get('values.schema.json')
    if (bytes === undefined) return []
    const file = fileOf(each, 'values.schema.json')
    const schema = parseJson(bytes)
    if (schema === undefined) return [{ code: 'YAML_INVALID', message: 'not one JSON value', file }]
    return [...new Set(referencesIn(schema))].map((ref): Fault => {
      return { code: 'INPUT_REMOTE', message: `${ref} is not part of the schema's own file`, file }
    })
  })
}

function parseJson(bytes: Buffer): Json | undefined {
  try {
    return JSON.parse(bytes.toString('utf8').replace(/^\ufeff/, '')) as Json
  } catch {
    return undefined
  }
}

const META_SCHEMA = /^https?:\/\/json-schema\.org\/[\w./-]+#?$/

function referencesIn(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => referencesIn(item))
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([key, item]) => {
    const own =
      ['$ref', '$dynamicRef', '$recursiveRef', '$schema'].includes(key) && typeof item === 'string' ? [item] : []
    return [...own.filter((ref) => !ref.startsWith('#') && !META_SCHEMA.test(ref)), ...referencesIn(item ?? null)]
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
