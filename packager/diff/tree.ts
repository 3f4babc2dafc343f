import { createHash } from 'node:crypto'
import { treeDigest } from '../../contract/artifact/artifact.ts'
import { isKubeObject, type KubeObject, objectId, objectPath } from '../../contract/artifact/objects.ts'
import { canonicalJson } from '../../contract/canonical-json.ts'
import { assertFaultless } from '../check.ts'
import { checkDuplicates } from '../checks/duplicates.ts'
import { checkIdentity } from '../checks/identity.ts'
import type { Rendered } from '../render/rendered.ts'
import type { Tree } from './compare.ts'

/**
 * What a rendered commit would be packed as, by environment, whatever else `check` may find: objects that cannot be told apart cannot be
 * compared, and no more is asked of them.
 * @throws WaybillError CHECK_FAILED with every object that has no identity, or shares one
 */
export function renderedTrees(rendered: Rendered): ReadonlyMap<string, Tree> {
  const all = Object.values(rendered.environments).flat()
  assertFaultless([...checkIdentity(all), ...checkDuplicates(all)])
  const environments = Object.entries(rendered.environments)
  return new Map(
    environments.map(([name, found]) => [name, treeOf(found.map(({ object }) => object).filter(isKubeObject))]),
  )
}

function treeOf(objects: readonly KubeObject[]): Tree {
  const listed = objects.map((object) => ({
    path: objectPath(objectId(object)),
    sha256: createHash('sha256').update(canonicalJson(object)).digest('hex'),
  }))
  return { treeDigest: treeDigest(listed), objects }
}
