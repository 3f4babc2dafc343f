import type { KubeObject } from '../contract/artifact/objects.ts'
import { listOf, printYaml } from '../puller/install/print.ts'
import type { Outcome } from './verb.ts'

/** Objects to read, or to pipe into `kubectl apply -f -`: YAML documents, or one JSON List. */
export function printObjects(objects: readonly KubeObject[]): Outcome {
  return { data: listOf(objects), text: printYaml(objects.map(headFirst)) }
}

/** What an object is, before what it says: canonical JSON sorts `data` before `kind`. */
function headFirst({ apiVersion, kind, metadata, ...rest }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata, ...rest }
}
