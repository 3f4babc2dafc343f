import type { Json } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { composeYaml, type Report, reportTextFaults } from './yaml-compose.ts'
import { countValues, readDocument, type YamlDocument, type YamlReader } from './yaml-values.ts'

export type { YamlDocument, YamlReader }

export type YamlFile = { readonly documents: readonly YamlDocument[]; readonly faults: readonly Fault[] }

/**
 * Reads a YAML or JSON file as kubectl reads it (docs/FORMAT.md, "YAML"), and finds, all at once, what must not be in
 * one: scalars, keys, tags and line ends that YAML 1.2 and kubectl take differently, keys that stand twice, integers that JSON does not
 * hold, too many aliases, too deep nesting. Documents without content are left out. What has faults is not to be used.
 */
export function readYaml(file: string, bytes: Uint8Array, reader: YamlReader = 'kubectl'): YamlFile {
  const faults: Fault[] = []
  const report: Report = (code, line, message) => {
    faults.push({ code, message, file, line })
  }
  const text = decode(bytes)
  if (text === undefined) {
    report('YAML_INVALID', 1, 'it is not text in UTF-8')
    return { documents: [], faults }
  }
  reportTextFaults(text, report)
  const documents =
    faults.length > 0 ? [] : composeYaml(text, report).flatMap((document) => readDocument(document, reader, report))
  return { documents: faults.length > 0 ? [] : documents, faults }
}

/** The line of the value at `path` in a document, or of the nearest value around it. */
export function lineAt({ value, lines }: YamlDocument, path: readonly (string | number)[]): number {
  let index = 0
  let here: Json | undefined = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) break
    const entries: [string, Json | undefined][] = Object.entries(here)
    const at = entries.findIndex(([key]) => key === String(step))
    if (at < 0) break
    index += 1 + entries.slice(0, at).reduce((sum, [, sibling]) => sum + countValues(sibling), 0)
    here = entries[at]?.[1]
  }
  return lines[index] ?? 1
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    // Line ends as kubectl's reader makes them; the last line always has one.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replaceAll('\r\n', '\n')
    return text.endsWith('\n') ? text : `${text}\n`
  } catch {
    return undefined
  }
}
