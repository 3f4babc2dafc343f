import type { KubeObject } from '../contract/objects.ts'
import { listOf, printYaml } from '../puller/install/print.ts'
import type { Outcome } from './verb.ts'

/** Objects to pipe into `kubectl apply -f -`: YAML documents, or one JSON List. */
export function printObjects(objects: readonly KubeObject[]): Outcome {
  return { data: listOf(objects), text: printYaml(objects) }
}
