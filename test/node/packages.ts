import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Progress } from '../../tools/progress.ts'

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

/** Why what a node takes from the machine is not there, after apt-get has tried to install it; undefined when all of it is. */
export function packagesRefusal(progress: Progress): string | undefined {
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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
