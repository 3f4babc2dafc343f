/** A `WWW-Authenticate` challenge (RFC 9110 §11.6.1). */
export type Challenge = { readonly scheme: string; readonly parameters: Readonly<Record<string, string>> }

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/

/** Reads all challenges of a header; what cannot be read ends the list. Linear in the header's length. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  let rest = header.slice(0, 8192).trimStart()
  while (rest !== '') {
    const token = TOKEN.exec(rest)?.[0]
    if (token === undefined) break
    rest = rest.slice(token.length)
    const current = challenges.at(-1)
    if (rest.startsWith('=') && current !== undefined) {
      const value = readValue(rest.slice(1))
      if (value === undefined) break
      current.parameters[token.toLowerCase()] = value.text
      rest = value.rest
    } else challenges.push({ scheme: token.toLowerCase(), parameters: {} })
    rest = rest.replace(/^[\s,]+/, '')
  }
  return challenges
}

function readValue(text: string): { readonly text: string; readonly rest: string } | undefined {
  if (!text.startsWith('"')) {
    const token = TOKEN.exec(text)?.[0]
    return token === undefined ? undefined : { text: token, rest: text.slice(token.length) }
  }
  let value = ''
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '"') return { text: value, rest: text.slice(i + 1) }
    if (text[i] === '\\') i++
    value += text[i] ?? ''
  }
  return undefined
}
