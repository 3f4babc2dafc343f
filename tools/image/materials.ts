import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, digestOf } from '../../contract/digest.ts'
import { baseLayer } from './base-layer.ts'
import type { Component } from './component.ts'
import { modulesLayer } from './modules-layer.ts'
import { findNode } from './node-runtime.ts'
import { programLayer } from './program-layer.ts'
import { sharedLibrariesOf } from './shared-libraries.ts'
import type { LayerEntry } from './tar-layer.ts'
import { architectureOf } from './write-image.ts'

/** All that an image of a checkout is made of. */
export type Materials = {
  /** From what changes least to what changes most: Node and its libraries, the npm packages, the program. */
  readonly layers: readonly (readonly LayerEntry[])[]
  readonly components: readonly Component[]
  /** `amd64`, `arm64` */
  readonly architecture: string
  /** Of package-lock.json, 64 hex digits. */
  readonly lockSha256: string
}

/** @throws WaybillError TOOL_* */
export async function gatherMaterials(root: string, onStep: (step: string) => void): Promise<Materials> {
  onStep('looking for Node and its libraries')
  const node = await findNode(root)
  const libraries = await sharedLibrariesOf(node.path)
  const modules = await modulesLayer(root)
  onStep('compiling the program')
  const program = await programLayer(root)
  return {
    layers: [baseLayer(node, libraries), modules.entries, program],
    components: [node.component, ...libraries.components, ...modules.components],
    architecture: architectureOf(node.arch),
    lockSha256: digestHex(digestOf(await readFile(join(root, 'package-lock.json')))),
  }
}
