import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

const script = `
  const { startControlPlane } = await import(${JSON.stringify(join(import.meta.dirname, 'control-plane.ts'))})
  const cluster = await startControlPlane({ controllers: false, scheduler: false })
  console.log(cluster.directory)
  setInterval(() => {}, 1000)
`

/** The processes of this machine whose command line names `text`. */
async function processesNaming(text: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      return ''
    }
  })
  return lines.filter((line) => line.includes(text))
}

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  test(`a control plane whose owner ends by ${signal} leaves no process and no folder`, {
    skip: process.platform !== 'linux',
  }, async () => {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let directory = ''
    for await (const line of createInterface({ input: owner.stdout })) {
      directory = line
      assert.equal((await processesNaming(line)).length, 3, 'etcd, kube-apiserver and kwok run')
      owner.kill(signal)
    }
    assert.notEqual(directory, '')
    for (const deadline = Date.now() + 5_000; Date.now() < deadline && existsSync(directory); ) await sleep(50)
    assert.deepEqual(await processesNaming(directory), [])
    assert.equal(existsSync(directory), false)
  })
}
