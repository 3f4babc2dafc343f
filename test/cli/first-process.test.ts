import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

/** As in a container, where the program is process 1: nothing ends it by a signal that it does not listen to. */
const skip = process.getuid?.() === 0 ? false : 'a process namespace is made as root only'
const waybill = join(import.meta.dirname, '..', '..', 'cli', 'waybill.js')
const folder = mkdtempSync(join(tmpdir(), 'waybill-first-'))

let asked = Promise.withResolvers<void>()
const silent = createServer(() => asked.resolve())
await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
const address = silent.address()
const kubeconfig = join(folder, 'kubeconfig')
const server = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
const config = {
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'silent', cluster: { server } }],
  users: [{ name: 'me', user: { token: 'any' } }],
  contexts: [{ name: 'silent', context: { cluster: 'silent', user: 'me' } }],
  'current-context': 'silent',
}
writeFileSync(kubeconfig, JSON.stringify(config))
/** Keeps the program loading for a while, and says so. */
const slow = join(folder, 'slow.mjs')
writeFileSync(
  slow,
  `import { registerHooks } from 'node:module'
import { writeSync } from 'node:fs'
registerHooks({ load: (url, context, next) => {
  if (url.endsWith('/cli/main.ts')) {
    writeSync(1, 'loading')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  }
  return next(url, context)
} })`,
)

after(() => {
  silent.closeAllConnections()
  silent.close()
  rmSync(folder, { recursive: true })
})

const args = ['--kubeconfig', kubeconfig]
const first = (...command: readonly string[]) =>
  spawn('unshare', ['--pid', '--fork', '--kill-child', process.execPath, ...command], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })

/** Sends a signal to process 1 of the namespace, and waits for its end; what it exits with is what unshare exits with. */
async function signalled(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const inside = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
  const exited = once(child, 'exit')
  process.kill(inside, signal)
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  const [code] = await exited
  clearTimeout(late)
  return code
}

describe('as the first process of a container', { skip }, () => {
  for (const flags of [[], ['--leader-elect']])
    test(`the puller ends by SIGTERM while the API server says nothing (${flags.join() || 'alone'})`, async () => {
      asked = Promise.withResolvers()
      const child = first(waybill, 'puller', ...args, '--cache-dir', join(folder, 'cache'), ...flags)
      await asked.promise
      assert.equal(await signalled(child, 'SIGTERM'), 1)
    })

  test('a command that does not wait for the end ends by SIGINT', async () => {
    asked = Promise.withResolvers()
    const child = first(waybill, 'get', ...args)
    await asked.promise
    assert.equal(await signalled(child, 'SIGINT'), 130)
  })

  test('the puller ends by SIGTERM while it is still loading', async () => {
    const child = first('--import', slow, waybill, 'puller', ...args, '--cache-dir', join(folder, 'cache'))
    await once(child.stdout, 'data')
    assert.notEqual(await signalled(child, 'SIGTERM'), null)
  })
})
