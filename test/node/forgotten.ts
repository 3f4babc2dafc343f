import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cgroupMounts, removeCgroup } from './cgroups.ts'

/**
 * Removes the cgroups and folders of nodes whose process was killed together with all that would have cleaned up after it.
 * Both are named waybill-node-PID-…; what somebody still runs in is left alone.
 */
export function removeForgotten(): void {
  const mounts = cgroupMounts()
  for (const name of new Set([tmpdir(), ...mounts].flatMap((folder) => readdirSync(folder)))) {
    const pid = /^waybill-node-(\d+)-/.exec(name)?.[1]
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const free = mounts.map((mount) => removeCgroup(join(mount, name))).every((gone) => gone)
    if (free) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}
