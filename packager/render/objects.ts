import { isJsonObject, type Json } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import { lineAt, type YamlDocument } from '../yaml/yaml.ts'
import { normalise } from './normalise.ts'
import type { FieldPath, RenderedObject } from './rendered.ts'

/** The objects of a file's documents; Lists are taken apart, as kubectl does. What is no mapping is a fault. */
export function objectsOf(
  environment: string,
  file: string,
  documents: readonly YamlDocument[],
): { readonly objects: readonly RenderedObject[]; readonly faults: readonly Fault[] } {
  const objects: RenderedObject[] = []
  const faults: Fault[] = []
  const take = (document: YamlDocument, value: Json, path: FieldPath) => {
    if (!isJsonObject(value)) {
      const line = lineAt(document, path)
      faults.push({ code: 'OBJECT_MALFORMED', message: 'not a mapping, so no object', file, line, environment })
    } else if (typeof value.kind === 'string' && value.kind.endsWith('List') && Array.isArray(value.items)) {
      value.items.forEach((item: Json, i) => {
        take(document, item, [...path, 'items', i])
      })
    } else objects.push({ environment, origin: { file, document, path }, object: normalise(value) })
  }
  for (const document of documents) take(document, document.value, [])
  return { objects, faults }
}
