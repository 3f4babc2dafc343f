import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
    if (pid === undefined || existsSync(`/proc/${pid}`) || runningWith(name).length > 0) continue
    const free = mounts.map((mount) => removeCgroup(join(mount, name))).every((gone) => gone)
    if (free) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/** The command lines of processes that have `text` in theirs. */
export function runningWith(text: string): readonly string[] {
  const others = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
  return others.map(commandLine).filter((line) => line.includes(text))
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // It has ended.
    return ''
  }
}
