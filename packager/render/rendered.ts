import { isKubeObject, objectId, objectName } from '../../contract/artifact/objects.ts'
import type { Json, JsonObject } from '../../contract/canonical-json.ts'
import type { Fault } from '../../contract/errors.ts'
import type { FieldPath } from '../../contract/schema/validate.ts'
import { lineAt, type YamlDocument } from '../yaml/yaml.ts'

export type { FieldPath }

/** Where an object came from: a file of the commit, and, where it could be found, the very place in it. */
export type Origin = {
  readonly file: string
  readonly document?: YamlDocument
  /** Inside the document: not empty for items of a List. */
  readonly path: FieldPath
}

/** An object as rendering gave it, before anything is known about it but that it is a mapping; `environment` is '' for none. */
export type RenderedObject = { readonly environment: string; readonly origin: Origin; readonly object: JsonObject }

/** What rendering one commit gave: objects by environment, in the order in which they came; and what is wrong already. */
export type Rendered = {
  readonly environments: Readonly<Record<string, readonly RenderedObject[]>>
  readonly faults: readonly Fault[]
  /** What people should know of it though nothing is wrong. */
  readonly warnings?: readonly Fault[]
  /** What stands under `spec.schemas`, of no environment. */
  readonly schemas?: readonly RenderedObject[]
  /** What stands under `spec.policies`, of no environment; absent where none are declared. */
  readonly policies?: readonly RenderedObject[]
  /** The versions that ran, by tool. */
  readonly tools: Readonly<Record<string, string>>
}

/** How a person knows an object, even where half of its name is missing. */
export function nameOf(object: JsonObject): string {
  if (isKubeObject(object)) return objectName(objectId(object))
  const metadata: Json | undefined = object.metadata
  const name = typeof metadata === 'object' && metadata !== null && 'name' in metadata ? metadata.name : undefined
  return `${typeof object.kind === 'string' ? object.kind : '(no kind)'} ${typeof name === 'string' ? name : '(no name)'}`
}

/** A fault at a field of an object, with its file, line, object and environment. */
export function faultAt(
  { origin, object, environment }: RenderedObject,
  code: Fault['code'],
  message: string,
  field: FieldPath = [],
): Fault {
  const line = origin.document === undefined ? {} : { line: lineAt(origin.document, [...origin.path, ...field]) }
  const where = environment === '' ? {} : { environment }
  return { code, message, file: origin.file, ...line, object: nameOf(object), ...where }
}
