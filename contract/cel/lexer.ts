import { invalid, unsupported } from './syntax.ts'

export type Token = {
  readonly kind: 'int' | 'double' | 'string' | 'ident' | 'symbol' | 'end'
  /** For a string, what it says; else the source. */
  readonly text: string
  readonly at: number
}

const SPACE = /(?:[\t \r\n\f]+|\/\/[^\n]*)*/y
const QUOTED = /([bB]?)([rR]?)("""|'''|"|')/y
const KINDS = [
  ['double', /\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+(?:[eE][-+]?\d+)?/y],
  ['uint', /(?:0x[0-9a-fA-F]+|\d+)[uU]/y],
  ['int', /0x[0-9a-fA-F]+|\d+/y],
  ['ident', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['symbol', /==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}]/y],
] as const

/** The tokens of an expression (cel-go v0.26, parser/gen/CEL.g4), the last one `end`. @throws ExpressionFault */
export function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at
    return pattern.exec(source)
  }
  for (;;) {
    at += match(SPACE)?.[0].length ?? 0
    if (at >= source.length) return [...tokens, { kind: 'end', text: '', at }]
    const quoted = match(QUOTED)
    if (quoted !== null) {
      const [opening, bytes, raw, quote = ''] = quoted
      if (bytes !== '') throw unsupported('bytes literals', at)
      const end = closingOf(source, at + opening.length, quote, raw !== '')
      const text = source.slice(at + opening.length, end).replaceAll(/\r\n?/g, '\n')
      tokens.push({ kind: 'string', text: raw === '' ? unescaped(text, at) : text, at })
      at = end + quote.length
      continue
    }
    const found = KINDS.map(([kind, pattern]) => ({ kind, text: match(pattern)?.[0] })).find(
      ({ text }) => text !== undefined,
    )
    if (found?.text === undefined)
      throw invalid(`syntax error at ${JSON.stringify([...source.slice(at)][0] ?? '')}`, at)
    if (found.kind === 'uint') throw unsupported('unsigned integers', at)
    tokens.push({ kind: found.kind, text: found.text, at })
    at += found.text.length
  }
}

/** Where a string ends: the offset of its closing quote. */
function closingOf(source: string, start: number, quote: string, raw: boolean): number {
  for (let i = start; i < source.length; i++) {
    if (source.startsWith(quote, i)) return i
    if (quote.length === 1 && (source[i] === '\n' || source[i] === '\r')) break
    if (!raw && source[i] === '\\') i++
  }
  throw invalid('a string that does not end', start - quote.length)
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
}

function unescaped(text: string, at: number): string {
  return text.replaceAll(
    /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]?))/g,
    (
      _,
      hex: string | undefined,
      short: string | undefined,
      long: string | undefined,
      octal: string | undefined,
      one,
    ) => {
      const digits = hex ?? short ?? long
      if (digits === undefined && octal === undefined) {
        const char = SIMPLE[String(one)]
        if (char === undefined) throw invalid(`a string with an unknown escape: \\${one}`, at)
        return char
      }
      const code = digits === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(digits, 16)
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw invalid('a string with no such code point', at)
      return String.fromCodePoint(code)
    },
  )
}
