/**
 * Text of others as it may stand in a terminal, a log or a comment: what is not seen, moves the cursor, or turns the direction of writing
 * is written as `\u202e`; and no log reader of a CI takes a part of it for a command (`##[…]`).
 */
export function visible(text: string): string {
  return text.replace(UNSEEN, (char) => [...char].map((one) => written(one)).join('')).replaceAll('##[', '#\\u0023[')
}

/** The same for whole lines: none of them begins with `::`, which GitHub's runner takes for a command wherever it is printed. */
export function safeLines(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/^(\s*):(?=:)/, '$1\\u003a')).join('\n')
}

// Control characters but the tab; format characters (Unicode Cf), among them those that turn the direction; line separators; lone surrogates.
const UNSEEN = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|[^\P{Cc}\t]/gu

function written(char: string): string {
  return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}
