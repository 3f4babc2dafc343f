import type { JsonObject } from '../../contract/canonical-json.ts'
import { WaybillError } from '../../contract/errors.ts'
import type { KubeObject } from '../../contract/objects.ts'

/** YAML documents, each after `---`, that kubectl reads back as the same objects. */
export function printYaml(_objects: readonly KubeObject[]): string {
  throw new WaybillError('INTERNAL', 'not built yet')
}

/** One `v1` List. */
export function listOf(_objects: readonly KubeObject[]): JsonObject {
  throw new WaybillError('INTERNAL', 'not built yet')
}
