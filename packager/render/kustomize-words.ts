import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import { readYaml } from '../yaml/yaml.ts'

/** Fields whose text names things and places. A message about them is of no use without it, and no secret stands there. */
const NAMING = new Set([
  ...['apiVersion', 'kind', 'name', 'namespace', 'namePrefix', 'nameSuffix', 'group', 'version', 'op', 'path', 'from'],
  ...['resources', 'bases', 'components', 'crds', 'configurations', 'files', 'envs', 'env', 'fieldPath', 'fieldPaths'],
  ...['generators', 'transformers', 'validators', 'patchesStrategicMerge', 'type', 'behavior', 'newName', 'newTag'],
])

/** Fields under which every key is the user's own, and names nothing. */
const OPEN = new Set(['data', 'stringData', 'binaryData', 'literals', 'value'])

/**
 * Text of a kustomization, a patch or a generator that kustomize may repeat when it fails, and that may be a secret: every value
 * but those that name things, in patches written inline too.
 */
export function repeatable(value: Json | undefined, field = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => repeatable(item, field))
  if (isJsonObject(value))
    return Object.entries(value).flatMap(([key, item]) => repeatable(item, OPEN.has(field) ? field : key))
  if (value === null || value === undefined || typeof value === 'boolean') return []
  const text = String(value)
  if (field === 'patch' || text.includes('\n')) return inline(text)
  return NAMING.has(field) ? [] : [text, ...base64Forms(text)]
}

/** YAML inside YAML; where it cannot be read, all of it. */
function inline(text: string): readonly string[] {
  const { documents, faults } = readYaml('inline', Buffer.from(text), 'kustomize')
  const values = documents.map(({ value }) => value)
  const isText = values.some((value) => typeof value === 'string')
  return faults.length > 0 || isText ? [text, ...base64Forms(text)] : values.flatMap((value) => repeatable(value))
}

/** What a Secret makes of a value, and what it holds where it is one already. */
export function base64Forms(text: string): readonly string[] {
  return [Buffer.from(text).toString('base64'), Buffer.from(text, 'base64').toString('utf8')]
}

/** True when some words have a piece of one of these texts in them: four letters and digits in a row, or a shorter word as a whole. */
export function repeats(words: string, texts: readonly string[]): boolean {
  const whole = new Set(pieces(words))
  return pieces(texts.join('\n')).some((piece) => (piece.length < 4 ? whole.has(piece) : words.includes(piece)))
}

function pieces(text: string): readonly string[] {
  return [...new Set(text.match(/[\p{L}\p{N}]{2,}/gu) ?? [])]
}
