import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Cgroups of nodes begin so; then comes the pid of the process that started the node. */
const prefix = 'waybill-node-'

/** A name for a node's cgroup, such as waybill-node-4711-1f2e: what is left of a process that is gone can be told by it. */
export function cgroupName(suffix: string): string {
  return `${prefix}${process.pid}-${suffix}`
}

/** Where hierarchies of cgroups are mounted: one for each controller (v1), one in all (v2), or both. */
export function cgroupMounts(): readonly string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [, path, type] = line.split(' ')
    return path !== undefined && (type === 'cgroup' || type === 'cgroup2') ? [path] : []
  })
}

/** Makes a cgroup in every hierarchy, with all that a kubelet needs to make others below it. Returns their folders. */
export function makeCgroups(name: string): readonly string[] {
  return cgroupMounts().map((mount) => {
    for (const controller of ['cpu', 'cpuset', 'io', 'memory', 'pids', 'hugetlb']) {
      tryWrite(join(mount, 'cgroup.subtree_control'), `+${controller}`)
    }
    const folder = join(mount, name)
    mkdirSync(folder, { recursive: true })
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const above = join(mount, file)
      if (existsSync(above)) tryWrite(join(folder, file), readFileSync(above, 'utf8'))
    }
    return folder
  })
}

/** Removes a cgroup and those below it. False while a process is in one of them. */
export function removeCgroup(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeCgroup(join(folder, entry.name))
    }
    rmdirSync(folder)
  } catch {
    // Busy, or gone.
  }
  return !existsSync(folder)
}

/** Removes what nodes left whose process was killed together with all that would have cleaned up after it. */
export function removeForgottenCgroups(): void {
  for (const mount of cgroupMounts()) {
    for (const name of readdirSync(mount)) {
      const pid = name.startsWith(prefix) ? name.slice(prefix.length).split('-')[0] : undefined
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeCgroup(join(mount, name))
    }
  }
}

function tryWrite(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch {
    // This hierarchy does not have it, or does not let it be changed here.
  }
}
