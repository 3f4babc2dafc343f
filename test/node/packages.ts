import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Progress, silent } from '../../tools/progress.ts'
import { scratchDirectory } from '../real/process.ts'

/** Where Debian's packages put programs and CNI plug-ins. */
export const systemPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(
  delimiter,
)
export const cniFolder = '/usr/lib/cni'

/** What a node takes from the machine: each program, and the Debian package that brings it. */
const programs: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  'containerd-shim-runc-v2': 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  ip: 'iproute2',
  openssl: 'openssl',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
}
const plugins = ['bridge', 'host-local', 'loopback', 'portmap']

/**
 * Why no node can run on this machine, in one line; undefined when one can. Debian packages that are missing are installed
 * with apt-get first, where there is one, without starting a service of them.
 */
export function nodeRefusal({ progress = silent }: { readonly progress?: Progress } = {}): string | undefined {
  if (process.platform !== 'linux') return `a node needs Linux, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'a node needs root, for namespaces, mounts and cgroups'
  return missingRefusal(progress) ?? namespacesRefusal()
}

function missingRefusal(progress: Progress): string | undefined {
  const missing = missingPackages()
  if (missing.length === 0) return undefined
  const need = `a node needs ${missing.join(', ')}`
  if (find('apt-get') === undefined) return `${need}, and there is no apt-get to install them with`
  progress.say(`installing with apt-get: ${missing.join(', ')}`)
  const fault = install(missing)
  if (fault !== undefined) return `${need}, and ${fault}`
  const still = missingPackages()
  return still.length === 0
    ? undefined
    : `a node needs ${still.join(', ')}, which apt-get installed without its programs`
}

/** What went wrong, or undefined. */
function install(packages: readonly string[]): string | undefined {
  // invoke-rc.d asks policy-rc.d, and 101 says: start nothing. Where the machine has one of its own, that one decides.
  const policy = '/usr/sbin/policy-rc.d'
  const own = !existsSync(policy)
  if (own) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return (
      aptGet(['update', '--quiet']) ?? aptGet(['install', '--yes', '--quiet', '--no-install-recommends', ...packages])
    )
  } finally {
    if (own) rmSync(policy, { force: true })
  }
}

/** The path of a program of the machine, or undefined. */
export function find(program: string): string | undefined {
  return systemPath
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

function missingPackages(): readonly string[] {
  const missing = Object.entries(programs).flatMap(([program, name]) => (find(program) === undefined ? [name] : []))
  const networking = plugins.every((plugin) => isExecutable(join(cniFolder, plugin)))
  return [...new Set([...missing, ...(networking ? [] : ['containernetworking-plugins'])])]
}

function aptGet(args: readonly string[]): string | undefined {
  const env = { ...process.env, PATH: systemPath, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stderr, error } = spawnSync('apt-get', args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (status === 0) return undefined
  return `apt-get ${args[0]} failed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
}

/** Tries what every node does first: namespaces of its own, and in them a bridge, a tmpfs and an overlay. */
function namespacesRefusal(): string | undefined {
  if (find('unshare') === undefined || find('ip') === undefined) return undefined
  const folder = scratchDirectory('probe')
  for (const part of ['lower', 'upper', 'work', 'top']) mkdirSync(join(folder, part))
  const overlay = `lowerdir=${folder}/lower,upperdir=${folder}/upper,workdir=${folder}/work`
  const tried = `ip link add node0 type bridge && mount -t tmpfs tmpfs /run && mount -t overlay overlay -o ${overlay} ${folder}/top`
  const args = [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--uts',
    '--ipc',
    '--mount-proc',
    'sh',
    '-c',
    tried,
  ]
  const { status, stderr, error } = spawnSync('unshare', args, { env: { PATH: systemPath }, encoding: 'utf8' })
  if (status === 0) return undefined
  return `a node needs namespaces, a bridge and overlay mounts of its own, and was refused them: ${(error?.message ?? stderr).trim().split('\n')[0]}`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
