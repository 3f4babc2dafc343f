import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { WaybillError } from '../../contract/errors.ts'
import { runProcess } from '../../packager/process.ts'
import type { Component } from './component.ts'
import { machineFile } from './machine-file.ts'

/** Where Node is in the image. */
export const NODE_PATH = '/bin/node'

/** The Node that goes into an image. */
export type NodeRuntime = {
  /** On this machine. */
  readonly path: string
  readonly bytes: Uint8Array
  /** As Node writes it: `x64`, `arm64`. */
  readonly arch: string
  /** PEM, all that Node trusts by itself, as its release has them. */
  readonly rootCertificates: string
  readonly license: Uint8Array | undefined
  readonly component: Component
}

const askAll = `process.stdout.write(JSON.stringify({
  version: process.versions.node, arch: process.arch, platform: process.platform,
  glibc: process.report.getReport().header.glibcVersionRuntime ?? '',
  roots: require('node:tls').rootCertificates.join('\\n') }))`

/**
 * The Node that the npm package `node-linux-ARCH` brought into `root`, or the one that runs this.
 * @throws WaybillError TOOL_VERSION when it is too old, not for Linux, or not made for glibc 2.34 or newer
 */
export async function findNode(root: string): Promise<NodeRuntime> {
  const name = `node-${process.platform}-${process.arch}`
  const packaged = join(root, 'node_modules', name, 'bin', 'node')
  const path = existsSync(packaged) ? packaged : process.execPath
  const { stdout, code, stderr } = await runProcess({ command: path, args: ['-e', askAll], env: {} })
  if (code !== 0) throw new WaybillError('TOOL_FAILED', `${path} does not run: ${stderr.trim().slice(0, 500)}`)
  const said = parseAnswer(Buffer.from(stdout).toString('utf8'))
  requireUsable(path, said, neededOf(root))
  const bytes = await readFile(path)
  const licensePath = [
    join(dirname(path), '..', 'LICENSE'),
    join(dirname(path), '..', 'share', 'doc', 'node', 'LICENSE'),
  ]
  const license = licensePath.find((file) => existsSync(file))
  return {
    path,
    bytes,
    arch: said.arch,
    rootCertificates: `${said.roots}\n`,
    license: license === undefined ? undefined : readFileSync(license),
    component: {
      name: 'node',
      version: said.version,
      purl: path === packaged ? `pkg:npm/${name}@${said.version}` : `pkg:generic/node@${said.version}`,
      license: 'MIT',
      files: [machineFile(NODE_PATH, bytes)],
    },
  }
}

type Answer = Readonly<Record<'version' | 'arch' | 'platform' | 'glibc' | 'roots', string>>

/** @throws WaybillError TOOL_VERSION */
export function requireUsable(path: string, { version, platform, glibc }: Answer, needed: string): void {
  const fail = (what: string, hint: string) => {
    throw new WaybillError('TOOL_VERSION', `${path}: ${what}`, { hint })
  }
  if (platform !== 'linux')
    fail(`runs on ${platform}`, 'An image is built on Linux, or in a container of any Linux with glibc.')
  if (!isAtLeast(version, needed))
    fail(
      `Node ${version}; the program needs ${needed}`,
      'Run `npm ci`, which brings a Node along, or build with a newer one.',
    )
  // Since 2.34 looking names up needs no library that only the C library itself loads.
  if (!isAtLeast(glibc, '2.34'))
    fail(
      `glibc ${glibc || 'is not what it runs on'}; 2.34 or newer is needed`,
      'Build on a newer Linux, such as Debian 12.',
    )
}

function neededOf(root: string): string {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return String(engines.node).replace(/^>=/, '')
}

function isAtLeast(version: string, needed: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number)
  const [c = 0, d = 0] = needed.split('.').map(Number)
  return a > c || (a === c && b >= d)
}

function parseAnswer(text: string): Answer {
  const said: Readonly<Record<string, unknown>> = JSON.parse(text)
  const of = (name: string) => String(said[name] ?? '')
  return { version: of('version'), arch: of('arch'), platform: of('platform'), glibc: of('glibc'), roots: of('roots') }
}
