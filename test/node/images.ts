import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ContainerConfig, writeImage } from '../../tools/image/write-image.ts'
import type { ClusterNode } from './node.ts'

/** An image that holds one program of tools/go and nothing else, and that runs as nobody in particular. */
export type ProgramImage = {
  readonly repository: string
  readonly tag: string
  /** The program's file; in the image it is /program. */
  readonly program: string
  readonly env?: readonly string[]
}

/** Writes a program's image and pushes it. Returns `host:port/REPOSITORY@sha256:…`. */
export async function pushProgram(node: ClusterNode, image: ProgramImage): Promise<string> {
  const { repository, tag, program, env = [] } = image
  const folder = join(node.folder, 'images', repository)
  const config: ContainerConfig = { Entrypoint: ['/program'], User: '65532:65532', Env: env }
  const file = { kind: 'file' as const, path: '/program', mode: 0o755, bytes: readFileSync(program) }
  await writeImage({ folder, tag, layers: [[file]], config })
  return node.push(folder, tag, repository)
}

/** The image that holds a pod's namespaces. */
export function pushPause(node: ClusterNode, program: string): Promise<string> {
  return pushProgram(node, { repository: 'pause', tag: '1', program })
}

/** Images by digest for the Deployments of examples/shop: they listen on 8080 and answer with their version and greeting. */
export type ShopImages = { readonly first: string; readonly second: string; readonly crashing: string }

/** Builds and pushes the shop's images: two releases that work, and one whose container ends at once with status 1. */
export async function shopImages(node: ClusterNode): Promise<ShopImages> {
  const push = (tag: string, env: readonly string[] = []) =>
    pushProgram(node, { repository: 'shop', tag, program: node.tools.shop, env: [`SHOP_VERSION=${tag}`, ...env] })
  const first = await push('1.0.0')
  const second = await push('1.1.0')
  return { first, second, crashing: await push('1.2.0', ['SHOP_CRASH=its database is not there']) }
}
