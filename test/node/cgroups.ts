import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where hierarchies of cgroups are mounted: one for each controller (v1), one in all (v2), or both. */
export function cgroupMounts(): readonly string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [, path, type] = line.split(' ')
    return path !== undefined && (type === 'cgroup' || type === 'cgroup2') ? [path] : []
  })
}

/** Makes a cgroup in every hierarchy, with all that a kubelet needs to make others below it. Returns their folders. Makes none when it throws. */
export function makeCgroups(name: string): readonly string[] {
  const mounts = cgroupMounts()
  try {
    return mounts.map((mount) => makeBelow(mount, name))
  } catch (error) {
    for (const mount of mounts) removeCgroup(join(mount, name))
    throw error
  }
}

/** Puts a process into a cgroup below each of these, so that they cannot be removed while it lives. */
export function holdCgroups(folders: readonly string[], pid: number): void {
  for (const folder of folders) tryWrite(join(makeBelow(folder, 'holder'), 'cgroup.procs'), String(pid))
}

/** Which of these controllers none of the cgroups has: of v1 each has those of its mount, of v2 those that were handed on to it. */
export function lacking(folders: readonly string[], controllers: readonly string[]): readonly string[] {
  const has = (folder: string, controller: string) =>
    existsSync(join(folder, 'cgroup.controllers'))
      ? readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim().split(' ').includes(controller)
      : readdirSync(folder).some((file) => file.startsWith(`${controller}.`))
  return controllers.filter((controller) => !folders.some((folder) => has(folder, controller)))
}

function makeBelow(above: string, name: string): string {
  for (const controller of ['cpu', 'cpuset', 'io', 'memory', 'pids', 'hugetlb']) {
    tryWrite(join(above, 'cgroup.subtree_control'), `+${controller}`)
  }
  const folder = join(above, name)
  mkdirSync(folder, { recursive: true })
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const given = join(above, file)
    if (existsSync(given)) tryWrite(join(folder, file), readFileSync(given, 'utf8'))
  }
  return folder
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

function tryWrite(path: string, text: string): void {
  try {
    writeFileSync(path, text)
  } catch {
    // This hierarchy does not have it, or does not let it be changed here.
  }
}
