import { Composer, type Document, Lexer, LineCounter, Parser, type ErrorCode as YamlErrorCode } from 'yaml'
import type { ErrorCode } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'

export type Report = (code: ErrorCode, line: number, message: string) => void

/** A document's nodes, and how to find the lines that they stand on. */
export type ComposedDocument = { readonly document: Document.Parsed; readonly lineOf: (offset: number) => number }

/**
 * Finds what kubectl's line-wise reader takes otherwise than YAML 1.2: separators with something behind them, text after `...`,
 * directives, and line ends that only YAML 1.1 knows.
 */
export function reportTextFaults(text: string, report: Report): void {
  let ended = false
  text.split('\n').forEach((line, i) => {
    if (/\r|\u0085|\u2028|\u2029/.test(line))
      report('YAML_AMBIGUOUS', i + 1, 'a line end that only some readers see; write it as an escape in double quotes')
    if (/^---\s*[^\s#]/.test(line))
      report('YAML_AMBIGUOUS', i + 1, 'kubectl takes nothing after --- on its line; start on the next')
    if (line.startsWith('%YAML') || line.startsWith('%TAG'))
      report('YAML_AMBIGUOUS', i + 1, 'directives are not read by everybody; leave them out')
    if (line.startsWith('---')) ended = false
    else if (ended && line.trim() !== '' && !line.startsWith('#')) {
      report('YAML_AMBIGUOUS', i + 1, 'kubectl does not read on after "..."; separate documents with ---')
      ended = false
    }
    if (/^\.\.\.(?:\s|$)/.test(line)) ended = true
  })
}

/** Two levels of the parser's stack for one of nesting. Beyond it, the composer's own recursion could end the process. */
const STACK_MAX = 2 * LIMITS.jsonDepthMax + 8

/** Parses text into documents without taking any scalar for more than text. What is not YAML is reported, and nothing comes back. */
export function composeYaml(text: string, report: Report): readonly ComposedDocument[] {
  const lines = new LineCounter()
  const lineOf = (offset: number) => lines.linePos(offset).line
  lines.lineStarts.push(0)
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.lineStarts.push(at + 1)
  const parser = new Parser()
  const composer = new Composer({ version: '1.2', schema: 'failsafe', uniqueKeys: true, merge: false, strict: true })
  const documents: Document.Parsed[] = []
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token))
    if (parser.stack.length > STACK_MAX) {
      report('LIMIT_EXCEEDED', lineOf(parser.offset), `nested deeper than ${LIMITS.jsonDepthMax} levels`)
      return []
    }
  }
  for (const token of parser.end()) documents.push(...composer.next(token))
  documents.push(...composer.end())
  const errors = documents.flatMap((document) => document.errors)
  for (const { code, pos } of errors) report(codeOf(code), lineOf(pos[0]), MESSAGES[code] ?? `not YAML (${code})`)
  return errors.length > 0 ? [] : documents.map((document) => ({ document, lineOf }))
}

function codeOf(code: YamlErrorCode): ErrorCode {
  return code === 'DUPLICATE_KEY' ? 'YAML_DUPLICATE_KEY' : 'YAML_INVALID'
}

/** The parser's own messages repeat what stands in the file, which may be a secret. */
const MESSAGES: Partial<Record<YamlErrorCode, string>> = {
  DUPLICATE_KEY: 'a key that stands twice in one mapping',
  BAD_INDENT: 'not YAML: the indentation does not fit',
  TAB_AS_INDENT: 'not YAML: a tab as indentation',
  MISSING_CHAR: 'not YAML: something is missing, such as a closing quote or bracket, or a colon',
  UNEXPECTED_TOKEN: 'not YAML: something stands where it cannot',
  BAD_ALIAS: 'not YAML: an alias without an anchor',
  BLOCK_IN_FLOW: 'not YAML: an indented block inside brackets',
  MULTILINE_IMPLICIT_KEY: 'not YAML: a key over several lines; a colon may be missing before',
  BAD_SCALAR_START: 'not YAML: a value that begins with a character that has to be quoted',
  BAD_DQ_ESCAPE: 'not YAML: an escape that is none, in double quotes',
}
