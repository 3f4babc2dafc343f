import { type Alias, isAlias, isScalar, isSeq, type ParsedNode, type Scalar, type YAMLMap } from 'yaml'
import type { Json } from '../../contract/canonical-json.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ComposedDocument, Report } from './yaml-compose.ts'
import { readCore, readKubectl, sameReading } from './yaml-scalars.ts'

/** One document of a YAML file. */
export type YamlDocument = {
  readonly value: Json
  /** The line, from 1, of every value in it (for a field: of its key): a container before what it holds, in the order of Object.keys. */
  readonly lines: readonly number[]
}

/**
 * Who else will read the file: kustomize makes times of what looks like one, which kubectl and YAML 1.2 leave as text. Of a chart, and what
 * it renders to, helm is the only reader; it reads as kubectl does, so nothing in it is ambiguous.
 */
export type YamlReader = 'kubectl' | 'kustomize' | 'helm'

type Read = YamlDocument

/** What one document's reading keeps in hand. */
type Reading = {
  readonly reader: YamlReader
  readonly report: Report
  readonly lineOf: (offset: number) => number
  readonly anchors: Map<string, ParsedNode>
  /** Aliased nodes that are being expanded, against those that hold themselves. */
  readonly open: Set<ParsedNode>
  aliases: number
  values: number
}

const NOTHING: Read = { value: null, lines: [1] }

/** The value of a document, as kubectl takes it; none where the document is empty. Faults are reported, and the rest read on. */
export function readDocument(
  { document, lineOf }: ComposedDocument,
  reader: YamlReader,
  report: Report,
): readonly YamlDocument[] {
  const reading: Reading = { reader, report, lineOf, anchors: new Map(), open: new Set(), aliases: 0, values: 0 }
  const read = readNode(reading, document.contents, 0)
  return read.value === null ? [] : [read]
}

function readNode(reading: Reading, node: ParsedNode | null | undefined, depth: number): Read {
  if (node === null || node === undefined) return NOTHING
  const line = reading.lineOf(node.range[0])
  if (++reading.values > LIMITS.yamlValuesMax || depth > LIMITS.jsonDepthMax) {
    if (reading.values === LIMITS.yamlValuesMax + 1 || depth > LIMITS.jsonDepthMax)
      reading.report('LIMIT_EXCEEDED', line, 'more values, or deeper nesting, than docs/FORMAT.md allows')
    return NOTHING
  }
  if (isAlias(node)) return readAlias(reading, node, line, depth)
  if (node.anchor !== undefined) reading.anchors.set(node.anchor, node)
  if (isScalar(node)) return { value: readScalar(reading, node, line) ?? null, lines: [line] }
  if (node.tag !== undefined && !/^tag:yaml\.org,2002:(?:map|seq)$/.test(node.tag)) reportTag(reading, line)
  if (isSeq(node)) return readItems(reading, node.items, line, depth)
  return readMapping(reading, node, line, depth)
}

function readItems(reading: Reading, items: readonly unknown[], line: number, depth: number): Read {
  const lines = [line]
  const value = items.map((item) => {
    const read = readNode(reading, parseNode(item), depth + 1)
    for (const each of read.lines) lines.push(each)
    return read.value
  })
  return { value, lines }
}

function readAlias(reading: Reading, alias: Alias, line: number, depth: number): Read {
  const target = reading.anchors.get(alias.source)
  if (target === undefined || reading.open.has(target)) {
    reading.report('YAML_INVALID', line, 'an alias of an anchor that is not there, or that holds itself')
    return NOTHING
  }
  if (++reading.aliases > LIMITS.yamlAliasesMax) {
    if (reading.aliases === LIMITS.yamlAliasesMax + 1)
      reading.report('LIMIT_EXCEEDED', line, `more than ${LIMITS.yamlAliasesMax} aliases`)
    return NOTHING
  }
  reading.open.add(target)
  const read = readNode(reading, target, depth)
  reading.open.delete(target)
  return read
}

function readMapping(reading: Reading, node: YAMLMap.Parsed, line: number, depth: number): Read {
  const members = new Map<string, Read>()
  const explicit = new Set<string>()
  for (const { key, value } of node.items) {
    const keyNode = parseNode(key)
    if (keyNode !== undefined && isScalar(keyNode) && keyNode.type === 'PLAIN' && keyNode.source === '<<') {
      merge(reading, parseNode(value), explicit, members, depth)
      continue
    }
    const name = readKey(reading, keyNode, line)
    const read = readNode(reading, parseNode(value), depth + 1)
    if (name === undefined) continue
    explicit.add(name)
    // A field's line is that of its key, also where its value begins below it.
    const [, ...inside] = read.lines
    members.set(name, { value: read.value, lines: [lineOfNode(reading, keyNode, line), ...inside] })
  }
  const value = Object.fromEntries([...members].map(([name, read]) => [name, read.value]))
  const lines = [line]
  for (const name of Object.keys(value)) for (const each of members.get(name)?.lines ?? []) lines.push(each)
  return { value, lines }
}

/** Merge keys of YAML 1.1. What stands before `<<` kubectl lets it override, and YAML 1.1 does not: that is a fault. */
function merge(
  reading: Reading,
  node: ParsedNode | undefined,
  explicit: ReadonlySet<string>,
  members: Map<string, Read>,
  depth: number,
): void {
  const sources = node !== undefined && isSeq(node) ? node.items.map(parseNode) : [node]
  const merged = new Map<string, Read>()
  for (const source of sources) {
    const line = lineOfNode(reading, source, 1)
    const read = readNode(reading, source, depth)
    if (typeof read.value !== 'object' || read.value === null || Array.isArray(read.value)) {
      reading.report('YAML_INVALID', line, 'what << merges is no mapping')
      continue
    }
    let at = 1
    for (const [name, member] of Object.entries(read.value)) {
      const count = countValues(member)
      if (!merged.has(name)) merged.set(name, { value: member ?? null, lines: read.lines.slice(at, at + count) })
      at += count
      if (explicit.has(name))
        reading.report('YAML_AMBIGUOUS', line, `<< brings "${name}", which stands before it; put << first`)
    }
  }
  for (const [name, read] of merged) members.set(name, read)
}

/** How many values a value holds, itself included: the length of its `lines`. */
export function countValues(value: Json | undefined): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, item) => sum + countValues(item), 1)
}

function readKey(reading: Reading, node: ParsedNode | undefined, around: number): string | undefined {
  const line = lineOfNode(reading, node, around)
  const target = node !== undefined && isAlias(node) ? reading.anchors.get(node.source) : node
  if (target === undefined || !isScalar(target)) {
    reading.report('YAML_INVALID', line, 'a key that is no text')
    return undefined
  }
  if (target.anchor !== undefined) reading.anchors.set(target.anchor, target)
  const value = readScalar(reading, target, line)
  if (value === undefined) return undefined
  if (value === null || (typeof value === 'number' && String(value) !== target.source)) {
    reading.report('YAML_AMBIGUOUS', line, 'a key that readers write differently; quote it')
    return undefined
  }
  return String(value)
}

/** undefined where it was reported. */
function readScalar(reading: Reading, node: Scalar.Parsed, line: number): null | boolean | number | string | undefined {
  const text = String(node.value)
  if (node.tag === 'tag:yaml.org,2002:str') return text
  if (node.tag !== undefined) reportTag(reading, line)
  if (node.type !== 'PLAIN') return text
  const value = readKubectl(text)
  if (reading.reader !== 'helm' && !sameReading(value, readCore(text))) {
    reading.report('YAML_AMBIGUOUS', line, difference(text, value, readCore(text)))
    return undefined
  }
  if (reading.reader === 'kustomize' && TIME.test(text))
    reading.report(
      'YAML_AMBIGUOUS',
      line,
      'this is a time to kustomize, which rewrites it, and text in YAML 1.2; quote it',
    )
  if (typeof value === 'bigint') {
    reading.report(
      'INTEGER_UNSAFE',
      line,
      'an integer that JSON readers round (beyond ±9007199254740991); quote it if it is text',
    )
    return undefined
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    reading.report('YAML_INVALID', line, 'infinity, or no number at all: JSON has neither')
    return undefined
  }
  return value
}

const TIME = /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]|$)/

type Value = ReturnType<typeof readCore>

/** Says how two readers differ, without showing the value: short words apart, it could be one that nobody should see. */
function difference(text: string, kubectl: Value, core: Value): string {
  const it = /^[A-Za-z]{1,3}$/.test(text) ? `"${text}"` : 'this'
  const ways =
    inWords(kubectl) === inWords(core)
      ? 'one number to kubectl and another in YAML 1.2'
      : `${inWords(kubectl)} to kubectl and ${inWords(core)} in YAML 1.2`
  return `${it} is ${ways}: say which you mean`
}

function inWords(value: Value): string {
  if (typeof value === 'bigint' || typeof value === 'number') return 'a number'
  if (typeof value === 'string') return 'text'
  return value === null ? 'null' : String(value)
}

function reportTag(reading: Reading, line: number): void {
  reading.report('YAML_AMBIGUOUS', line, 'a tag that readers take differently; leave it out, or quote the value')
}

function lineOfNode(reading: Reading, node: ParsedNode | undefined, otherwise: number): number {
  return node === undefined ? otherwise : reading.lineOf(node.range[0])
}

/** What a composer leaves in `items`, `key` and `value` are its own nodes, or nothing. */
function parseNode(item: unknown): ParsedNode | undefined {
  return (item ?? undefined) as ParsedNode | undefined
}
