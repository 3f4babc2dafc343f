import { join, sep } from 'node:path'
import { hasCode } from '../../contract/errors.ts'
import { look, readBounded } from '../disk.ts'
import type { Env } from '../process.ts'
import { listWorkingTree, type WorkingTree } from '../working-tree/git.ts'
import type { Files } from './source.ts'

const RELEVANT = /\.(?:ya?ml|json)$|(?:^|\/)Kustomization$/

/** Larger files are no manifests that a person wrote. */
const READ_BYTES_MAX = 1024 * 1024

/** Files of a working tree that may be what a package is made of; links that lead out and large files are left out. */
export async function readFiles(tree: WorkingTree, env: Env): Promise<Files> {
  const files = new Map<string, Buffer>()
  for (const path of await listWorkingTree(tree, env)) {
    if (!RELEVANT.test(path) || path.includes('\n')) continue
    const found = await look(join(tree.root, path))
    if (found?.kind !== 'file' || !found.real.startsWith(tree.root + sep)) continue
    const bytes = await readBounded(found.real, READ_BYTES_MAX).catch((error: unknown) => {
      if (hasCode(error, 'LIMIT_EXCEEDED')) return undefined
      throw error
    })
    if (bytes !== undefined) files.set(path, bytes)
  }
  return files
}
