import { stringify } from 'yaml'
import type { KubeObject } from '../../contract/artifact/objects.ts'
import type { JsonObject } from '../../contract/canonical-json.ts'

/**
 * YAML documents, each after `---`, that kubectl reads back as the same objects: every string that YAML 1.1 would take for
 * something else is quoted, and there are no anchors.
 */
export function printYaml(objects: readonly KubeObject[]): string {
  return objects
    .map((object) => `---\n${stringify(object, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })}`)
    .join('')
}

/** One `v1` List. */
export function listOf(objects: readonly KubeObject[]): JsonObject {
  return { apiVersion: 'v1', kind: 'List', items: objects }
}
