import type { Fault } from '../../../contract/errors.ts'
import { type Chart, fileOf, locate } from './chart.ts'
import { literalsOf, textsOf } from './templates.ts'

/** What a message is worth repeating of, and where it belongs. */
type Said = { readonly message: string; readonly source?: string; readonly line?: number }

/**
 * What helm said when it failed, as a fault. It quotes values, and what templates make of them, in many ways; so only what is known to
 * come out of the chart's own text is repeated: places, names of functions and fields, types, and messages that stand in a template.
 */
export function failureOf(stderr: string, chart: Chart, environment: string): Fault {
  const text =
    /(?:^|\n)Error: ([\s\S]*)/
      .exec(stderr)?.[1]
      ?.replace(/\n\nUse --debug flag[\s\S]*/, '')
      .trim()
      .slice(0, TEXT_CHARS_MAX) ?? ''
  const readers = [thrown, unparsed, executed, badYaml, badValues, unfit]
  const said = readers.map((read) => read(text, chart)).find((one) => one !== undefined) ?? { message: UNKNOWN }
  const found = said.source === undefined ? undefined : locate(chart, said.source)
  const message = said.message.slice(0, 2000)
  if (found === undefined) return { code: 'RENDER_FAILED', message, file: fileOf(chart, 'Chart.yaml'), environment }
  const place = found.chart.packed || said.line === undefined ? {} : { line: said.line }
  const inside = found.chart.packed ? `${said.source}${said.line === undefined ? '' : `:${said.line}`}: ` : ''
  return {
    code: 'RENDER_FAILED',
    message: `${inside}${message}`,
    file: fileOf(found.chart, found.name),
    ...place,
    environment,
  }
}

/** Whoever writes a chart chooses what helm says, and how much of it. */
const TEXT_CHARS_MAX = 16_384

const HIDDEN = 'the words repeat values, so they are not shown: run `helm template` there to see them'
const UNKNOWN = `helm fails; ${HIDDEN}`

/** `fail` and `required`. */
function thrown(text: string, chart: Chart): Said | undefined {
  const [, source, line, words = ''] = /^execution error at \((.+?):(\d+)(?::\d+)?\): ([\s\S]*)$/.exec(text) ?? []
  if (source === undefined) return undefined
  const own = literalsOf(chart).has(words)
  return { message: own ? words : `the chart refuses these values; ${HIDDEN}`, source, line: Number(line) }
}

const PARSE_REASONS = [
  /^function "\w+" not defined$/,
  /^unclosed action/,
  /^(?:unterminated|unexpected) [\w ,{}<>/|=()-]+$/,
  /^undefined variable "\$\w+"$/,
  /^missing value for \w+$/,
]

function unparsed(text: string): Said | undefined {
  const [, source, line, words = ''] = /^parse error at \((.+?):(\d+)(?::\d+)?\): ([\s\S]*)$/.exec(text) ?? []
  if (source === undefined) return undefined
  const known = PARSE_REASONS.some((reason) => reason.test(words))
  return { message: `the template cannot be parsed${known ? `: ${words}` : ''}`, source, line: Number(line) }
}

const TYPE = String.raw`[\w.*{}[\]]+(?: \{\})?`
const REASONS = [
  new RegExp(`nil pointer evaluating ${TYPE}\\.\\w+$`),
  new RegExp(`can't evaluate field \\w+ in type ${TYPE}$`),
  new RegExp(`wrong type for value; expected ${TYPE}; got ${TYPE}$`),
  /wrong number of args for \w+: want (?:at least )?\d+ got \d+$/,
]

/** The innermost place of a failure that helm traces through includes. */
function executed(text: string, chart: Chart): Said | undefined {
  const places = [...text.matchAll(/([^\s:()<>"]+):(\d+):\d+/g)].filter(([, source = '']) => locate(chart, source))
  const place = places.at(-1)
  if (place === undefined || !text.includes('executing ')) return undefined
  return { message: reasonIn(text, chart), source: place[1] ?? '', line: Number(place[2]) }
}

function reasonIn(text: string, chart: Chart): string {
  const words = text.trim().split('\n').at(-1)?.trim() ?? ''
  const known = REASONS.map((reason) => reason.exec(words)?.[0]).find((found) => found !== undefined)
  if (known !== undefined && isOwn(known, chart)) return known
  const template = /(?:no template|template) "([^"]+)" (?:associated with|not defined)/.exec(words)?.[1]
  if (template !== undefined && literalsOf(chart).has(template)) return `there is no template "${template}"`
  const calling = [...text.matchAll(/error calling (\w+):/g)].at(-1)?.[1]
  return `${calling === undefined ? 'the template' : calling} fails on what it is given; ${HIDDEN}`
}

/** False where a field's name is not in the templates: `tpl` makes templates out of values. */
function isOwn(reason: string, chart: Chart): boolean {
  const field = /(?:\.|field )(\w+)(?: in type .*)?$/.exec(reason)?.[1]
  if (field === undefined || !/^(?:nil pointer|can't evaluate)/.test(reason)) return true
  return textsOf(chart).some((text) => text.includes(`.${field}`))
}

/** Phrases of Go's YAML reader that quote nothing. */
const YAML_PHRASE =
  /^(?:line \d+: )?(?:did not find expected [\w ',:<>-]+|could not find expected ':'|mapping values are not allowed in this context|block (?:sequence entries|mapping keys?) are not allowed in this context|found (?:character that cannot start any token|a tab character that violates indentation|unexpected (?:end of stream|document indicator)|unknown escape character|undefined tag handle))$/

function badYaml(text: string): Said | undefined {
  const [, source, words = ''] = /^YAML parse error on (.+?): ([\s\S]*)$/.exec(text) ?? []
  if (source === undefined) return undefined
  const phrase = words.replace(/^error converting YAML to JSON: yaml: /, '')
  const types = /cannot unmarshal \w+ into Go struct field \S* ?of type [\w[\].]+$/.exec(words)?.[0]
  const known = YAML_PHRASE.test(phrase) ? phrase.replace(/^line (\d+): /, 'line $1 of it: ') : types
  return { message: `it renders to what is no YAML${known === undefined ? `; ${HIDDEN}` : `: ${known}`}`, source }
}

/** Field paths and types; a pattern that a value does not match is said without the value. */
function badValues(text: string): Said | undefined {
  if (!/values don't meet the specifications of the schema/.test(text)) return undefined
  const faults = [...text.matchAll(/^\s*- at '([^'\n]*)': (.*)$/gm)].map(([, path = '', words = '']) => {
    const types = /^got \w+, want \w+(?: or \w+)*$/.exec(words)?.[0]
    const missing = /^missing propert(?:y|ies) [\w', .-]+$/.exec(words)?.[0]
    const extra = /^additional properties? [\w', .-]+ not allowed$/.exec(words)?.[0]
    return `${path === '' ? '/' : path}: ${types ?? missing ?? extra ?? 'not what the schema allows'}`
  })
  return { message: `values.schema.json refuses the values${faults.length > 0 ? `: ${faults.join('; ')}` : ''}` }
}

/** What helm says of the chart itself, out of Chart.yaml and waybill.yaml. */
const UNFIT = [
  /chart requires kubeVersion: [\w.<>=~^|&,\s*+-]+ which is incompatible with Kubernetes v[\w.+-]+$/,
  /found in Chart\.yaml, but missing in charts\/ directory: [\w, .-]+$/,
  /\w* ?charts are not installable$/,
  /chart\.metadata\.\w+ (?:is required|must be [\w ,]+)/,
  /Chart\.yaml file is missing$/,
]

function unfit(text: string): Said | undefined {
  const message = UNFIT.map((reason) => reason.exec(text)?.[0]).find((found) => found !== undefined)
  return message === undefined ? undefined : { message }
}
