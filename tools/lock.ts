import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const beatMs = 2_000
const staleMs = 20_000

/**
 * Runs `work` while holding the lock file at `path`, and removes it afterwards. Waits for another holder, telling
 * `onWait` once. The holder touches the file every 2 s; one that was not touched for 20 s, or whose process is gone
 * from this machine, is broken. Two processes might break the same one at once, so `work` must also be safe without.
 */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  for (let waited = false; !(await take(path)); ) {
    if (await isStale(path)) {
      await breakLock(path)
      continue
    }
    if (!waited) onWait()
    waited = true
    await sleep(500)
  }
  const beat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), beatMs)
  try {
    return await work()
  } finally {
    clearInterval(beat)
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  let file: FileHandle
  try {
    file = await open(path, 'wx')
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
  await file.writeFile(`${process.pid} ${hostname()}\n`)
  await file.close()
  return true
}

async function isStale(path: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    if (Date.now() - mtimeMs > staleMs) return true
    const [pid, host] = text.trim().split(' ')
    return host === hostname() && !isAlive(Number(pid))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

async function breakLock(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await rm(aside, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
