import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Progress, silent } from '../../tools/progress.ts'
import { scratchDirectory } from '../real/process.ts'
import { lacking, makeCgroups, removeCgroup } from './cgroups.ts'
import { packagesRefusal, systemPath } from './packages.ts'

/**
 * Why no node can run on this machine, in one line; undefined when one can. Debian packages that are missing are installed
 * with apt-get first, where there is one, without starting a service of them.
 */
export function nodeRefusal({ progress = silent }: { readonly progress?: Progress } = {}): string | undefined {
  if (process.platform !== 'linux') return `a node needs Linux, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'a node needs root, for namespaces, mounts and cgroups'
  const missing = packagesRefusal(progress)
  if (missing !== undefined) return missing
  const folder = scratchDirectory(`node-${process.pid}`)
  try {
    return namespacesRefusal(folder) ?? cgroupsRefusal(basename(folder))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Tries what every node does first: namespaces of its own, in them a bridge and a tmpfs, and an overlay in `folder`. */
function namespacesRefusal(folder: string): string | undefined {
  const own = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--uts', '--ipc', '--mount-proc']
  const fault = tried('unshare', [...own, 'sh', '-c', 'ip link add node0 type bridge && mount -t tmpfs tmpfs /run'])
  if (fault !== undefined)
    return `a node needs namespaces, mounts and a bridge of its own, and was refused them: ${fault}`
  const [lower, upper, work, top] = ['lower', 'upper', 'work', 'top'].map((part) => join(folder, part))
  for (const part of [lower, upper, work, top]) if (part !== undefined) mkdirSync(part)
  const overlay = ['-t', 'overlay', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, `${top}`]
  if (tried('unshare', ['--mount', 'mount', ...overlay]) === undefined) return undefined
  return `a node needs overlay mounts, which ${folder} cannot carry: let TMPDIR name a folder that is not on an overlay itself`
}

function cgroupsRefusal(name: string): string | undefined {
  try {
    const made = makeCgroups(name)
    const without = lacking(made, ['cpu', 'memory', 'pids'])
    for (const folder of made) removeCgroup(folder)
    if (without.length === 0) return undefined
    return `a node needs cgroups of its own, and the controllers ${without.join(', ')} are not handed on here`
  } catch (error) {
    return `a node needs cgroups of its own: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** What went wrong, or undefined. */
function tried(command: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { env: { PATH: systemPath }, encoding: 'utf8' })
  return status === 0 ? undefined : (error?.message ?? stderr).trim().split('\n')[0]
}
