import { int, list, text } from './arguments.ts'
import type { FunctionTable, Implementation } from './implementation.ts'
import { matchesOf, patternOf } from './patterns.ts'
import { EvaluationError, isList, type Result, TypeValue, Unknown, type Value } from './values.ts'

function outOfRange(index: bigint): EvaluationError {
  return new EvaluationError(`index out of range: ${index}`)
}

function charAt(value: string, index: bigint): Result {
  const chars = [...value]
  return index < 0n || index > BigInt(chars.length) ? outOfRange(index) : (chars[Number(index)] ?? '')
}

/** By characters, not by UTF-16 units. */
function indexOf(value: string, wanted: string, from: bigint): Result {
  if (wanted === '') return from
  if (from < 0n) return outOfRange(from)
  const chars = [...value]
  const parts = [...wanted]
  for (let i = Number(from); i + parts.length <= chars.length; i++)
    if (parts.every((part, k) => chars[i + k] === part)) return BigInt(i)
  return -1n
}

function lastIndexOf(value: string, wanted: string, from: bigint | undefined): Result {
  const chars = [...value]
  const parts = [...wanted]
  if (wanted === '') return from ?? BigInt(chars.length)
  if (from !== undefined && from < 0n) return outOfRange(from)
  if (from !== undefined && from >= BigInt(chars.length)) return -1n
  const start = Math.min(Number(from ?? BigInt(chars.length)), chars.length - parts.length)
  for (let i = start; i >= 0; i--) if (parts.every((part, k) => chars[i + k] === part)) return BigInt(i)
  return -1n
}

function substring(value: string, start: bigint, end: bigint | undefined): Result {
  const chars = [...value]
  const length = BigInt(chars.length)
  if (end !== undefined && start > end)
    return new EvaluationError(`invalid substring range. start: ${start}, end: ${end}`)
  for (const index of [start, end ?? length]) if (index < 0n || index > length) return outOfRange(index)
  return chars.slice(Number(start), Number(end ?? length)).join('')
}

/** Go's strings.Replace: an empty text is found before each character and at the end. */
function replace(value: string, old: string, by: string, times: bigint): Result {
  const parts = old === '' ? ['', ...value, ''] : value.split(old)
  if (old === '') parts.splice(1, parts.length - 2, ...[...value])
  const max = times < 0n ? parts.length : Number(times)
  if (old === '') {
    const chars = [...value]
    return chars.map((char, i) => (i < max ? by + char : char)).join('') + (chars.length < max ? by : '')
  }
  return parts.map((part, i) => (i === parts.length - 1 ? part : part + (i < max ? by : old))).join('')
}

/** Go's strings.SplitN. */
function split(value: string, by: string, max: bigint): Result {
  if (max === 0n) return []
  const parts = by === '' ? [...value] : value.split(by)
  if (max < 0n || BigInt(parts.length) <= max) return parts
  const head = parts.slice(0, Number(max) - 1)
  return [...head, parts.slice(Number(max) - 1).join(by)]
}

function join(items: readonly Value[], by: string): Result {
  return items.every((item) => typeof item === 'string')
    ? items.join(by)
    : new EvaluationError('join: invalid input: not a string')
}

/** Go's unicode.IsSpace, which is not quite JavaScript's. */
const SPACE = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/** Not by one expression: looking for an end that is nothing but space takes a time that grows with the square of a run of spaces. */
function trim(value: string): string {
  let [start, end] = [0, value.length]
  while (start < end && SPACE.test(value.charAt(start))) start++
  while (end > start && SPACE.test(value.charAt(end - 1))) end--
  return value.slice(start, end)
}

const upper = (value: string) => value.replaceAll(/[a-z]+/g, (part) => part.toUpperCase())
const lower = (value: string) => value.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase())

function withPattern(pattern: string, use: (pattern: Exclude<ReturnType<typeof patternOf>, string>) => Result): Result {
  const compiled = patternOf(pattern)
  return typeof compiled === 'string' ? new EvaluationError(`not a regular expression: ${compiled}`) : use(compiled)
}

const matches: Implementation = (value, pattern) =>
  withPattern(text(pattern), (compiled) => compiled.matcher(text(value)).find())

function findAll(value: string, pattern: string, max: bigint): Result {
  return withPattern(pattern, (compiled) => matchesOf(compiled, value, Number(max < 0n ? -1n : max)))
}

/** %s, %d and %% only; compiling sees to that. */
function format(pattern: string, args: readonly Value[]): Result {
  const parts = pattern.split(/(%[sd%])/)
  let next = 0
  let made = ''
  for (const part of parts) {
    if (part === '%%') made += '%'
    else if (part !== '%s' && part !== '%d') made += part
    else {
      const value = args[next++]
      if (value === undefined) return new EvaluationError('index out of range')
      if (part === '%d' && typeof value !== 'bigint') return new EvaluationError('decimal clause: not an integer')
      const written = formatted(value)
      if (typeof written !== 'string') return written
      made += written
    }
  }
  return made
}

function formatted(value: Value): Result {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint' || typeof value === 'boolean' || value === null) return String(value)
  if (value instanceof TypeValue) return value.name
  if (isList(value) && value.every((item) => typeof item === 'string' && /^[ !#-[\]-~]*$/.test(item)))
    return `[${value.map((item) => `"${item}"`).join(', ')}]`
  if (isList(value) && value.every((item) => typeof item === 'bigint' || typeof item === 'boolean'))
    return `[${value.join(', ')}]`
  return new Unknown('how format() writes such a value')
}

/** Text: the standard functions, version 2 of the strings extension of cel-go v0.26, and Kubernetes' regular expressions. */
export const STRING_FUNCTIONS: FunctionTable = {
  functions: { 'matches(string, string): bool': matches },
  methods: {
    'string.contains(string): bool': (value, part) => text(value).includes(text(part)),
    'string.startsWith(string): bool': (value, part) => text(value).startsWith(text(part)),
    'string.endsWith(string): bool': (value, part) => text(value).endsWith(text(part)),
    'string.matches(string): bool': matches,
    'string.find(string): string': (value, pattern) =>
      withPattern(text(pattern), (compiled) => {
        const found = matchesOf(compiled, text(value), 1)
        return found instanceof Unknown ? found : (found[0] ?? '')
      }),
    'string.findAll(string): list<string>': (value, pattern) => findAll(text(value), text(pattern), -1n),
    'string.findAll(string, int): list<string>': (value, pattern, max) => findAll(text(value), text(pattern), int(max)),
    'string.charAt(int): string': (value, index) => charAt(text(value), int(index)),
    'string.indexOf(string): int': (value, part) => indexOf(text(value), text(part), 0n),
    'string.indexOf(string, int): int': (value, part, from) => indexOf(text(value), text(part), int(from)),
    'string.lastIndexOf(string): int': (value, part) => lastIndexOf(text(value), text(part), undefined),
    'string.lastIndexOf(string, int): int': (value, part, from) => lastIndexOf(text(value), text(part), int(from)),
    'string.lowerAscii(): string': (value) => lower(text(value)),
    'string.upperAscii(): string': (value) => upper(text(value)),
    'string.replace(string, string): string': (value, old, by) => replace(text(value), text(old), text(by), -1n),
    'string.replace(string, string, int): string': (value, old, by, times) =>
      replace(text(value), text(old), text(by), int(times)),
    'string.split(string): list<string>': (value, by) => split(text(value), text(by), -1n),
    'string.split(string, int): list<string>': (value, by, max) => split(text(value), text(by), int(max)),
    'string.substring(int): string': (value, start) => substring(text(value), int(start), undefined),
    'string.substring(int, int): string': (value, start, end) => substring(text(value), int(start), int(end)),
    'string.trim(): string': (value) => trim(text(value)),
    'string.format(list<dyn>): string': (value, args) => format(text(value), list(args)),
    'list<string>.join(): string': (items) => join(list(items), ''),
    'list<string>.join(string): string': (items, by) => join(list(items), text(by)),
  },
}
