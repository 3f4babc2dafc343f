import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cgroupMounts, removeCgroup } from './cgroups.ts'

/**
 * Removes the cgroups and folders of nodes whose process was killed together with all that would have cleaned up after it.
 * Both are named waybill-node-PID-…. A holder's cgroup cannot be removed while that lives (PID may be one of another
 * namespace): then all of it stays.
 */
export function removeForgotten(): void {
  const mounts = cgroupMounts()
  for (const name of new Set([tmpdir(), ...mounts].flatMap((folder) => readdirSync(folder)))) {
    const pid = /^waybill-node-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const free = mounts.every((mount) => removeCgroup(join(mount, name, 'holder')))
    if (!free) continue
    for (const mount of mounts) removeCgroup(join(mount, name))
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}
