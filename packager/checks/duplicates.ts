import { isKubeObject, objectId, objectPath } from '../../contract/artifact/objects.ts'
import type { Fault } from '../../contract/errors.ts'
import { faultAt, type RenderedObject } from '../render/rendered.ts'

/** No two objects of an environment are the same to the cluster: equal group, kind, namespace and name, whatever the version. */
export function checkDuplicates(objects: readonly RenderedObject[]): readonly Fault[] {
  const first = new Map<string, RenderedObject>()
  const faults: Fault[] = []
  for (const rendered of objects) {
    if (!isKubeObject(rendered.object)) continue
    // Kinds that differ in case alone are no two kinds to a cluster either, and would have one path.
    const key = `${rendered.environment}/${objectPath(objectId(rendered.object))}`
    const before = first.get(key)
    if (before === undefined) first.set(key, rendered)
    else faults.push(faultAt(rendered, 'OBJECT_DUPLICATE', `it stands in ${placeOf(before)} too`, ['metadata', 'name']))
  }
  return faults
}

function placeOf(rendered: RenderedObject): string {
  const { file, line } = faultAt(rendered, 'OBJECT_DUPLICATE', '', ['metadata', 'name'])
  return line === undefined ? String(file) : `${file}:${line}`
}
